# plugins/tether.so, and the same built for another Lethe and for another plugin ABI; and a plugin built outside, against the installed
# package.
include(lethe_plugin)
lethe_plugin(tether plugins/tether.cc)
lethe_plugin(tether_wrong_build plugins/tether.cc
  "libtorch 1.0.0, GNU 4, cxx11 ABI, headers 0000000000000000")
lethe_plugin(tether_wrong_abi plugins/tether.cc)
target_compile_definitions(tether_wrong_abi PRIVATE TETHER_ABI=0)
add_dependencies(lethe_tests tether tether_wrong_build tether_wrong_abi)

add_test(NAME install_test
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/install_test.sh ${PROJECT_BINARY_DIR})
set_tests_properties(install_test PROPERTIES TIMEOUT 300)
set_source_files_properties(plugin_test.cc PROPERTIES
  COMPILE_DEFINITIONS "LETHE_PLUGIN_BUILD_ID=\"${LETHE_PLUGIN_BUILD_ID}\"")
