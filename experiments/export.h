// `lethe export`: what a trial learned, as files that others load.
#pragma once

#include <string>

namespace lethe {

struct ExportArguments {
  std::string what, db = "lethe.db", to;
  bool merge = false;
  std::string base;    ///< as merge_base() takes it
  std::string rows;    ///< JSON Lines with a prompt each, to measure on; empty = drawn ids
  std::string logits;  ///< file for the rows' ids and the trained model's logits; empty = none
};

/// Writes an adapter folder, or with `merge` a Hugging Face folder, whole or not at all. Returns
/// what there is to say of it.
std::string export_model(const ExportArguments& arguments);

/// The same, said on the standard output.
int export_command(const ExportArguments& arguments);

}  // namespace lethe
