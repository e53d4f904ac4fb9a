// A model's blocks one after the other, and gradient checkpointing of them (Chen et al. 2016,
// arXiv:1604.06174): of so many blocks only what enters them is kept, and the backward pass runs
// them again.
#pragma once

#include <functional>
#include <vector>

#include "core/model.h"

namespace lethe {

struct BlockRun {
  size_t count = 0;
  /// Block i's result of `inputs`: inputs[0], which it may take away, is what the block before
  /// made; the others are the same for all. Runs again in the backward pass, so it may refer to the
  /// model and hold copies, but must not refer to the forward pass's own variables.
  std::function<Tensor(size_t i, std::vector<Tensor>& inputs)> block;
  std::function<void(size_t i, std::vector<Seam*>& seams)> add_seams;
  /// Called with what enters each block, where given.
  std::function<void(const Tensor&)> seen;
  bool cached = false;  // blocks write into caches
};

/// The last block's result. Plain, or with `model.checkpointed_blocks()` at a time under a
/// checkpoint where the model trains with a graph, nothing is seen and nothing cached. Values have
/// the plain run's bits, also with dropout: the generator is set back for the second run. So have
/// gradients, but for those of inputs[1...], which are summed by stretch and then over stretches.
Tensor run_blocks(const Model& model, const BlockRun& run, std::vector<Tensor> inputs);

}  // namespace lethe
