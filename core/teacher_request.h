// What a method asks for when it needs a teacher. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"

namespace lethe {

/// Another model for distillation: trained jointly on all tasks of the stream (cached by digest),
/// or read from a file as it is.
struct TeacherRequest {
  double scale = 2;      ///< width of the teacher over width of the model
  int64_t steps = 1000;  ///< updates on the union of all tasks
  OptionMap options;     ///< of the model, in place of the trial's: layers, family, ...
  std::string file;      ///< SHA-256 of a file with its weights; empty = trained
};

}  // namespace lethe
