# libtorch from the PyPI wheel or the official archive, without its own TorchConfig (which insists on a
# CUDA toolkit). LETHE_TORCH (cache or environment) names the folder that holds include/ and lib/.
#
# Makes Libtorch::torch_cpu and Libtorch::c10; with LETHE_CUDA also Libtorch::torch_cuda and
# Libtorch::c10_cuda. Sets Libtorch_VERSION (all of it, with the build's suffix), Libtorch_ROOT (the
# folder), Libtorch_SHORT_VERSION ("2.11") and Libtorch_RUNTIME_DIRS (what a program's rpath needs).
set(LETHE_TORCH "$ENV{LETHE_TORCH}" CACHE PATH "Folder of libtorch, with include/ and lib/")
set(_torch "${LETHE_TORCH}")
if(NOT _torch)
  set(_torch ${PROJECT_SOURCE_DIR}/.prefix/python/torch)
endif()
set(_advice "run scripts/setup.sh, or set LETHE_TORCH to the folder of a libtorch \
${Libtorch_FIND_VERSION} that has include/ and lib/")

if(NOT EXISTS ${_torch}/lib/libtorch_cpu.so OR NOT EXISTS ${_torch}/include/ATen/core/Tensor.h)
  message(FATAL_ERROR "no libtorch in ${_torch}: ${_advice}")
endif()

# The wheel has version.py, the archive a file build-version one level up or beside.
foreach(_file version.py build-version)
  if(EXISTS ${_torch}/${_file} AND NOT Libtorch_VERSION)
    file(STRINGS ${_torch}/${_file} _line REGEX "^(__version__ = ')?[0-9]+\\.[0-9]+" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+\\.[0-9]+[0-9a-zA-Z.+]*" Libtorch_VERSION "${_line}")
  endif()
endforeach()
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _short "${Libtorch_VERSION}")
if(NOT _short STREQUAL Libtorch_FIND_VERSION)
  message(FATAL_ERROR "the libtorch in ${_torch} is version '${Libtorch_VERSION}', expected "
          "${Libtorch_FIND_VERSION}: ${_advice}")
endif()

set(Libtorch_SHORT_VERSION ${_short})
set(Libtorch_ROOT ${_torch})
set(Libtorch_RUNTIME_DIRS ${_torch}/lib)
get_filename_component(_runtime ${_torch}/../nvidia/cu13/lib ABSOLUTE)
if(EXISTS ${_runtime})
  list(APPEND Libtorch_RUNTIME_DIRS ${_runtime})
endif()

# The CUDA build of libtorch names libraries that only a GPU needs: they are looked for at run time.
function(_add_torch_library name)
  if(TARGET Libtorch::${name})
    return()
  endif()
  add_library(Libtorch::${name} SHARED IMPORTED)
  set_target_properties(Libtorch::${name} PROPERTIES
    IMPORTED_LOCATION ${_torch}/lib/lib${name}.so
    INTERFACE_INCLUDE_DIRECTORIES "${_torch}/include;${_torch}/include/torch/csrc/api/include"
    INTERFACE_COMPILE_DEFINITIONS AT_PER_OPERATOR_HEADERS
    INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

_add_torch_library(c10)
_add_torch_library(torch_cpu Libtorch::c10)
if(LETHE_CUDA)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  _add_torch_library(c10_cuda Libtorch::c10 CUDA::cudart)
  _add_torch_library(torch_cuda Libtorch::torch_cpu Libtorch::c10_cuda)
endif()

# The wheel carries headers of a newer fmt than the system's library: the system's must be found first.
find_path(LETHE_FMT_INCLUDE fmt/format.h REQUIRED)
set(Libtorch_FMT_FIRST ${PROJECT_BINARY_DIR}/system_fmt)
file(MAKE_DIRECTORY ${Libtorch_FMT_FIRST})
file(CREATE_LINK ${LETHE_FMT_INCLUDE}/fmt ${Libtorch_FMT_FIRST}/fmt SYMBOLIC)
include_directories(BEFORE ${Libtorch_FMT_FIRST})
set(Libtorch_FOUND TRUE)
if(NOT Libtorch_FIND_QUIETLY)
  message(STATUS "libtorch ${Libtorch_VERSION} in ${_torch}")
endif()
