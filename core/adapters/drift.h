// How far a merged model's logits lie from those of the model that it was merged from.
#pragma once

#include <cstdint>
#include <vector>

#include "core/batch.h"

namespace lethe {

struct Drift {
  double largest = 0;  ///< absolute difference of a logit
  double mean_kl = 0;  ///< KL(softmax(reference) || softmax(other)), mean over positions, in nats
  int64_t positions = 0;
};

/// Of two models' logits (P, C).
Drift drift_between(const Tensor& reference, const Tensor& other);

/// Rows of one length at every position of which logits are compared.
Batch compared_rows(const std::vector<std::vector<int64_t>>& rows);

/// The same of an encoder-decoder: `sources`, and what its decoder `reads` of each, at every
/// position of which logits are compared. One list of ids a row.
Batch compared_pairs(const std::vector<std::vector<int64_t>>& sources,
                     const std::vector<std::vector<int64_t>>& reads);

/// `rows` rows of `length` token ids below `vocabulary`, drawn evenly from a seed of their own.
std::vector<std::vector<int64_t>> drawn_rows(int64_t rows, int64_t length, int64_t vocabulary,
                                             uint64_t seed);

}  // namespace lethe
