// A checkpoint's tensors as a model's parameters.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/formats/hf_quantisation.h"
#include "core/model.h"

namespace lethe {

/// How a family's files differ from the model's own names and shapes. Patterns are whole-name
/// regular expressions (ECMAScript) over names without prefix.
struct CheckpointRules {
  /// Wrappers' names, such as "transformer.": files have them or not, and so have parameters.
  std::vector<std::string> prefixes;
  /// Tensors that are no parameters, such as masks that old files hold.
  std::vector<std::string> ignored;
  /// Parameters that a file may lack and that then keep the values they have, such as a new head.
  std::vector<std::string> fresh;
  /// Parameters that keep the values they have whatever the file holds.
  std::vector<std::string> left_out;
  /// Weights that are stored as (in, out).
  std::vector<std::string> transposed;
  /// Stored name to the parameter whose value it repeats; a file may have it or not.
  std::map<std::string, std::string> tied;
  /// Legacy ending to the present one, such as ".gamma" to ".weight".
  std::map<std::string, std::string> endings;
  /// How the folder's weights were quantised; nullopt = they are float.
  std::optional<StoredQuantisation> quantised = {};
};

/// Gives every parameter its stored value as float32: F32 without a copy (the parameter then lies
/// in the mapped file, transposed weights as a view, booked as mapped weights), F16, BF16 and F64
/// converted. Weights that are stored quantised become their Linear's base with the codes, which
/// stay in the file, and scales that are stored; a block's Linear that is not has to be among those
/// that config.json skips. Throws one Error that lists every missing, unexpected and misshapen
/// tensor, and every tied one that differs from what it repeats. The model keeps the checkpoint's
/// files mapped for as long as it needs them. The model's parameters lie on the CPU.
void load_checkpoint(Model& model, const std::shared_ptr<const Checkpoint>& checkpoint,
                     const CheckpointRules& rules);

/// The names of the parameters that load_checkpoint() leaves as they are.
std::vector<std::string> parameters_not_in(const std::shared_ptr<const Checkpoint>& checkpoint,
                                           Model& model, const CheckpointRules& rules);

}  // namespace lethe
