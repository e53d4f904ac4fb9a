# The text that a plugin and the program compare, from the compiler and libtorch at hand.
function(lethe_plugin_build_id out headers_digest)
  string(REGEX MATCH "^[0-9]+" major ${CMAKE_CXX_COMPILER_VERSION})
  string(SUBSTRING ${headers_digest} 0 16 digest)
  set(${out}
      "libtorch ${Libtorch_VERSION}, ${CMAKE_CXX_COMPILER_ID} ${major}, cxx11 ABI, headers ${digest}"
      PARENT_SCOPE)
endfunction()
