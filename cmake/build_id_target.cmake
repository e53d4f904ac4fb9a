# lethe_build_id runs at every build, writes only what changed, and so rebuilds one tiny file.
# LETHE_PLUGIN_BUILD_ID is what a plugin and the program must agree on: libtorch, compiler major and the
# headers of core. A changed header configures again.
set(LETHE_GENERATED ${PROJECT_BINARY_DIR}/generated)
file(GLOB_RECURSE _headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/core/*.h)
list(SORT _headers)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_headers})
include(digest_of)
digest_of(LETHE_HEADERS_DIGEST ${PROJECT_SOURCE_DIR} ${_headers})
include(plugin_build_id)
lethe_plugin_build_id(LETHE_PLUGIN_BUILD_ID ${LETHE_HEADERS_DIGEST})

add_custom_target(lethe_build_id
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
          -DOUT=${LETHE_GENERATED}/build_id.cc
          -DTORCH_VERSION=${Libtorch_VERSION} -DHEADERS_DIGEST=${LETHE_HEADERS_DIGEST}
          "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
          "-DFLAGS=${CMAKE_BUILD_TYPE} ${CMAKE_CXX_FLAGS} CUDA=${LETHE_CUDA}"
          -P ${PROJECT_SOURCE_DIR}/cmake/build_id.cmake
  BYPRODUCTS ${LETHE_GENERATED}/build_id.cc
  COMMENT "Digest of the sources" VERBATIM)
