# lethe_test_program(name SUPPORT file... FILES test...): a program of these test files, one CTest test each.
# A test named *_shared_test reads files beside the repository and reports SKIPPED where they are absent.
function(lethe_test_program name)
  cmake_parse_arguments(ARG "" "" "SUPPORT;FILES" ${ARGN})
  list(TRANSFORM ARG_FILES APPEND .cc OUTPUT_VARIABLE sources)
  add_executable(${name} ${sources} ${ARG_SUPPORT} $<TARGET_OBJECTS:lethe_test_main>)
  target_link_libraries(${name} PRIVATE
    lethe_experiments Catch2::Catch2 rapidcheck nlohmann_json::nlohmann_json ZLIB::ZLIB
    SQLiteCpp SQLite::SQLite3)
  target_link_options(${name} PRIVATE LINKER:--as-needed)
  target_compile_definitions(${name} PRIVATE
    LETHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LETHE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  foreach(test IN LISTS ARG_FILES)
    add_test(NAME ${test} COMMAND ${name} "-#" "[#${test}]")
    set_tests_properties(${test} PROPERTIES TIMEOUT 300)
    if(test MATCHES "_shared_test$")
      set_tests_properties(${test} PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED:")
    endif()
  endforeach()
endfunction()
