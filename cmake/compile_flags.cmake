# One set of flags for every target: a precompiled header is only reused where they are equal.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

# -fPIC by hand and everywhere: CMake would give programs -fPIE, which refuses the shared header.
# Designated initialisers leave fields out on purpose.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fPIC;-march=x86-64-v3>"
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wno-missing-field-initializers>")
# Eight sources are one translation unit: half of a source's compile time is what libtorch's headers leave
# to every unit, precompiled or not. -DLETHE_UNITY=OFF compiles each by itself.
option(LETHE_UNITY "Compile sources in groups" ON)
set(CMAKE_UNITY_BUILD ${LETHE_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
# Machine code for Ampere and Hopper; what is newer makes its own from the PTX beside it.
if(LETHE_CUDA AND NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPU architectures, such as 80;90")
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the one that libtorch loads
if(LETHE_WERROR)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Werror>")
endif()
add_compile_definitions(AT_PER_OPERATOR_HEADERS)

# ccache needs to be told that a precompiled header's macros and times are harmless.
find_program(LETHE_CCACHE ccache)
if(LETHE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${LETHE_CCACHE})
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>")
endif()
if(LETHE_FUZZ)
  add_compile_options(-O1 -g1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
