# -DLETHE_FUZZ=ON (clang): one libFuzzer program for every reader of files, under ASan and UBSan, and nothing
# else. scripts/fuzz.sh builds and runs them.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "LETHE_FUZZ needs clang, not ${CMAKE_CXX_COMPILER_ID}: add -DCMAKE_CXX_COMPILER=clang++")
endif()
foreach(reader hf_config records safetensors tensor_pickle tokenizer_json)
  add_executable(${reader}_fuzz tests/fuzz/${reader}_fuzz.cc)
  target_link_libraries(${reader}_fuzz PRIVATE lethe_base)
  target_link_options(${reader}_fuzz PRIVATE -fsanitize=fuzzer)
  list(APPEND fuzzers ${reader}_fuzz)
endforeach()
add_custom_target(fuzzers DEPENDS ${fuzzers})
