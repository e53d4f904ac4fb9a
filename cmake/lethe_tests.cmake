# lethe_test_program(name SUPPORT file... FILES test...): a program of these test files, one CTest test each.
# A test named *_shared_test reads files beside the repository, one named cuda_*_test needs a GPU; both report
# SKIPPED where that is absent. All others are kept from opening one. Tests are compiled without optimization:
# what they test has it, and they take half the time.
function(lethe_test_program name)
  cmake_parse_arguments(ARG "" "" "SUPPORT;FILES" ${ARGN})
  list(TRANSFORM ARG_FILES APPEND .cc OUTPUT_VARIABLE sources)
  add_executable(${name} ${sources} ${ARG_SUPPORT} $<TARGET_OBJECTS:lethe_test_main>)
  target_link_libraries(${name} PRIVATE
    lethe_experiments Catch2::Catch2 rapidcheck nlohmann_json::nlohmann_json ZLIB::ZLIB
    SQLiteCpp SQLite::SQLite3)
  target_link_options(${name} PRIVATE LINKER:--as-needed)
  target_compile_options(${name} PRIVATE -O0)
  target_compile_definitions(${name} PRIVATE
    LETHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LETHE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  foreach(file IN LISTS ARG_FILES)
    get_filename_component(test ${file} NAME)
    add_test(NAME ${test} COMMAND ${name} "-#" "[#${test}]")
    # CTest runs as many tests as there are cores: threads within one would only wait for each other.
    set(environment OMP_NUM_THREADS=1)
    if(NOT test MATCHES "^cuda_")
      list(APPEND environment CUDA_VISIBLE_DEVICES=)
    endif()
    set_tests_properties(${test} PROPERTIES TIMEOUT 300 ENVIRONMENT "${environment}")
    if(test MATCHES "_shared_test$|^cuda_")
      set_tests_properties(${test} PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED:")
    endif()
  endforeach()
endfunction()
