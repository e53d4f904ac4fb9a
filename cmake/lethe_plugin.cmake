# lethe_plugin(name source [build id]): a method as a shared object, as a user would build it. The build id
# is this tree's own unless one is given.
function(lethe_plugin name source)
  set(build_id ${LETHE_PLUGIN_BUILD_ID})
  if(ARGC GREATER 2)
    set(build_id ${ARGV2})
  endif()
  add_library(${name} MODULE ${source})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins)
  target_link_libraries(${name} PRIVATE lethe_core)
  target_compile_definitions(${name} PRIVATE LETHE_PLUGIN_BUILD_ID="${build_id}")
  target_precompile_headers(${name} REUSE_FROM lethe_core)
endfunction()
