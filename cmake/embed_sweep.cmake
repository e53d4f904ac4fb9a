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

# embed_recipes(out file...): a source whose recipe_files() has every file's text by its name without ".toml".
function(embed_recipes out)
  set(entries "")
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(APPEND entries "      {\"${name}\", R\"recipe(${text})recipe\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT [=[#include "experiments/recipe_files.h"

namespace lethe {

const std::map<std::string, std::string>& recipe_files() {
  static const std::map<std::string, std::string> files = {
@entries@  };
  return files;
}

}  // namespace lethe
]=])
endfunction()
