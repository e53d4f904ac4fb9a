# `cmake --install` puts the program, the two shared libraries, core's headers and a CMake package, with
# which a plugin is built outside the tree: find_package(lethe), then link lethe::core.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/lethe)

set_target_properties(lethe_base PROPERTIES EXPORT_NAME base)
set_target_properties(lethe_core PROPERTIES EXPORT_NAME core)
install(TARGETS lethe_base lethe_core lethe EXPORT lethe_targets)
install(EXPORT lethe_targets NAMESPACE lethe:: DESTINATION ${_package})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/core DESTINATION include/lethe FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/letheConfig.cmake.in
  ${PROJECT_BINARY_DIR}/letheConfig.cmake INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/letheConfigVersion.cmake
  COMPATIBILITY ExactVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/letheConfig.cmake ${PROJECT_BINARY_DIR}/letheConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindLibtorch.cmake ${PROJECT_SOURCE_DIR}/cmake/plugin_build_id.cmake
  DESTINATION ${_package})
