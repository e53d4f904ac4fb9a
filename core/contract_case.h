// The small trials on which the contract suite runs: images of a few pixels and a perceptron, or
// words of a few letters and a decoder.
#pragma once

#include <memory>

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

}  // namespace lethe
