# The repository holds itself to its own rules: who includes whom, and sizes.
foreach(rule layers caps)
  add_test(NAME ${rule} COMMAND ${PROJECT_SOURCE_DIR}/scripts/${rule}.sh)
endforeach()
add_test(NAME layers_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/layers_test.sh)
