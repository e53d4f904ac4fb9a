// The small trials on which the contract suite runs: images of a few pixels and a perceptron, or
// words of a few letters and a decoder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/model.h"
#include "core/task.h"

namespace lethe {

/// Three tasks of two classes, made in memory.
TaskStream small_stream(Scenario scenario);

/// A perceptron for that stream, always with the same weights, `scale` times as wide.
std::unique_ptr<Model> small_model(double scale);

/// Three domain-incremental tasks of short token rows, and a decoder for them with room for virtual
/// tokens.
TaskStream small_text_stream();
std::unique_ptr<Model> small_text_model(double scale);

/// What two checkpoints of one method hold that is not equal bit for bit: "twin.ewc.anchor",
/// "strategy.replay.offers", or what only one has. Scores and times are left out.
std::vector<std::string> state_differences(const std::string& a, const std::string& b);

/// Which of "scores", "curve" and "samples" two results of one trial differ in.
std::vector<std::string> row_differences(const TrialResult& a, const TrialResult& b);

}  // namespace lethe
