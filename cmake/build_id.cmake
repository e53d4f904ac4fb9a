# Run at every build (cmake -P): writes build_id.cc where its content changed.
# Needs SOURCE_DIR, OUT, TORCH_VERSION, HEADERS_DIGEST, COMPILER, FLAGS.
include(${CMAKE_CURRENT_LIST_DIR}/digest_of.cmake)

set(patterns "")
foreach(folder core methods experiments/streams)
  foreach(ending h cc cu)
    list(APPEND patterns ${SOURCE_DIR}/${folder}/*.${ending})
  endforeach()
endforeach()
foreach(file experiments/pretrain experiments/runner)
  list(APPEND patterns ${SOURCE_DIR}/${file}.cc ${SOURCE_DIR}/${file}.h)
endforeach()
list(APPEND patterns ${SOURCE_DIR}/cmake/compile_flags.cmake ${SOURCE_DIR}/cmake/kernel_flags.cmake)
file(GLOB_RECURSE sources RELATIVE ${SOURCE_DIR} ${patterns})
list(SORT sources)
digest_of(sources_digest ${SOURCE_DIR} ${sources})
string(SHA256 build "${sources_digest}\n${TORCH_VERSION}\n${COMPILER}\n${FLAGS}\n")

set(commit unknown)
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                  RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()

set(content
"// Made by cmake/build_id.cmake.
#include \"core/build_id.h\"

namespace lethe {

const char* build_id() { return \"${build}\"; }
const char* libtorch_version() { return \"${TORCH_VERSION}\"; }
const char* compiler_version() { return \"${COMPILER}\"; }
const char* headers_digest() { return \"${HEADERS_DIGEST}\"; }
const char* git_commit() { return \"${commit}\"; }

}  // namespace lethe
")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL content)
  file(WRITE ${OUT} "${content}")
endif()
