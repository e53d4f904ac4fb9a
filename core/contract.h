// What every strategy promises, checked on a tiny stream: for built-in methods and for plugins.
#pragma once

#include <string>
#include <vector>

#include "core/registry.h"

namespace lethe {

/// One sentence a broken promise, empty where all are kept. `method` is in role order, its options
/// may be incomplete. Trains a small perceptron on three tasks of two classes, class-incremental
/// and task-incremental, or a small decoder on three tasks of text where the method refuses the
/// perceptron; about a second in all:
///   - complete(complete(x)) == complete(x) for every part's options;
///   - the same seed gives the same weights;
///   - each part at its neutral setting changes nothing, bit for bit or within its tolerance;
///   - after_task leaves values, training mode and gradients alone;
///   - a regulariser's penalty is 0 in task 1 and above 0 in task 2;
///   - an adapter's prepare leaves the logits exactly as they are;
///   - a trial interrupted after task 1 and continued ends with the same weights.
/// A method that throws is a violation too: the sentence holds its message.
std::vector<std::string> contract_violations(const StrategyRegistry& registry,
                                             const std::vector<Part>& method);

}  // namespace lethe
