# embed_sweep(file out): a source whose default_sweep() returns the file's text.
function(embed_sweep file out)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT [=[#include "experiments/default_sweep.h"

namespace lethe {

const char* default_sweep() {
  return R"sweep(@text@)sweep";
}

}  // namespace lethe
]=])
endfunction()
