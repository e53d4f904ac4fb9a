// What every strategy promises, checked on a tiny stream: for built-in methods and for plugins.
#pragma once

#include <string>
#include <vector>

#include "core/registry.h"

namespace lethe {

/// On what a contract is checked.
struct ContractGround {
  bool images = true;          ///< a perceptron, class-incremental and task-incremental
  bool text = true;            ///< a decoder
  std::string base = "float";  ///< format of the models' weights: "nf4" for qlora
};

/// One sentence a broken promise, empty where all are kept. `method` is in role order, its options
/// may be incomplete. Trains a small perceptron on three tasks of two classes, class-incremental
/// and task-incremental, and a small decoder on three tasks of text, where the method takes them;
/// about a second in all:
///   - complete(complete(x)) == complete(x) for every part's options;
///   - the same seed gives the same weights;
///   - each part at its neutral setting changes nothing, bit for bit or within its tolerance;
///   - after_task leaves values, training mode and gradients alone;
///   - a regulariser's penalty is 0 in task 1 and above 0 in task 2;
///   - an adapter's prepare leaves the logits exactly as they are;
///   - a trial interrupted after task 1, or within task 2, and continued ends with the same
///   weights,
///     the same twins and state of every strategy, and the same scores, curve and samples.
/// A method that throws is a violation too: the sentence holds its message, and one that takes
/// neither ground says what it said to the images.
std::vector<std::string> contract_violations(const StrategyRegistry& registry,
                                             const std::vector<Part>& method,
                                             const ContractGround& on = {});

}  // namespace lethe
