// What methods with adapters share: the seams they take.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/adapters/low_rank.h"
#include "core/registry.h"

namespace lethe {

/// Whether `name` is one of the comma-separated `endings`, or ends with a dot and one of them.
bool ends_with_one_of(const std::string& name, const std::string& endings);
/// "fc1, fc2, classifier".
std::string seam_names(Model& model);

/// Every Linear but the head where `targets` is "all", else those that it names by their endings.
/// Throws Error naming `method` and the model's Linears where there is none.
std::vector<Linear*> targeted(const std::string& method, Model& model, const std::string& targets);

/// Freezes the model, then calls `train` on the seams that `targets` names (every one where it is
/// "all"); false where it trained none.
bool train_only(Model& model, const std::string& targets, const std::function<bool(Seam&)>& train);

/// Trains the seam's bias; false where it has none.
bool train_bias(Seam& seam);
/// Trains every value of the seams that `endings` names (none where it is empty). Throws Error
/// naming `method` where it names no seam, or one with an adapter or among `targets`.
void train_whole(const std::string& method, Model& model, const std::string& endings,
                 const std::vector<Linear*>& targets = {});

/// Throws Error where a targeted base is quantised; `reason` says why the method can't take it.
void require_float(const std::string& method, Linear& seam, const std::string& reason);

/// Freezes the base, puts `make(seam)` on every target, then trains the biases and whole seams that
/// the options ask for.
void adapt_targets(const std::string& method, const LowRankOptions& options, Model& model,
                   const std::function<std::shared_ptr<Adapter>(Linear&)>& make);

}  // namespace lethe
