// T5's relative positions: distances in a few buckets, exact near by and logarithmic far away.
#pragma once

#include "core/torch.h"

namespace lethe {

/// How one stack counts distances. The encoder's half of the buckets is for keys after the query; a
/// decoder sees none of those and counts them as distance 0.
struct RelativeBuckets {
  int64_t count = 32, max_distance = 128;
  bool both_ways = true;

  /// The bucket of every distance, key's position minus query's: int64 of any shape on the CPU ->
  /// same shape. Of the n buckets of a direction the first n/2 hold one distance each; the others
  /// are as wide in log(distance), up to max_distance, and the last one takes what lies beyond. The
  /// logarithm is float32 and truncated, as in the code with which the checkpoints were trained:
  /// float64 would move some boundaries. Source: Raffel et al. 2020, arXiv:1910.10683, section 2.1.
  Tensor of(const Tensor& distances) const;
};

}  // namespace lethe
