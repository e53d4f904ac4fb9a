// What a model is given at once.
#pragma once

#include <cstdint>

#include "core/torch.h"

namespace lethe {

/// B rows, P predicted positions, C classes (or vocabulary), L tokens.
///
/// A classifier predicts one position a row (P = B). A language model predicts the positions whose
/// next token is a label: `positions` are indices into the flattened (B * L) inputs, ascending, and
/// `row_of` says to which of the B rows each belongs; both are undefined for a classifier, of text
/// too. An encoder-decoder reads sources as `inputs` and predicts positions of `decoder_inputs`:
/// for it `positions` are indices into the flattened (B * T) decoder_inputs.
///
/// Packed (core/pack.h), the inputs are S < B sequences of whole rows one after the other;
/// `segments` says which tokens see one another and `position_ids` counts from 0 in every row.
/// Positions are then indices into the (S * L) inputs in the order of the rows, and what is said by
/// row keeps its B rows.
struct Batch {
  Tensor inputs;  ///< (B, F) float32, or (B, L) int64 token ids, right-padded
  Tensor
      mask;  ///< (B, L) bool, true at tokens; undefined for a classifier or where nothing is padded
  Tensor token_types;     ///< (B, L) int64, which of two texts a token is of; undefined = all 0
  Tensor decoder_inputs;  ///< (B, T) int64, right-padded; undefined but for an encoder-decoder
  Tensor positions;       ///< (P) int64
  Tensor row_of;          ///< (P) int64
  Tensor targets;         ///< (P) int64, the class or next token
  Tensor row_ids;         ///< (B) int64, unique within the stream (see Rows)
  Tensor weights;         ///< (B) float32 row weights; undefined = all 1
  Tensor active;        ///< (B, C) bool: classes that may win, masked in the loss; undefined = all
  Tensor segments;      ///< (S, L) int64 row of the batch that a token belongs to, -1 at padding;
                        ///< undefined = not packed
  Tensor position_ids;  ///< (S, L) int64 place of a token in its row, 0 at padding; of packed rows
  int64_t tokens = 0;   ///< unpadded tokens in the batch; 0 for a classifier

  bool packed() const { return segments.defined(); }
  /// B, packed or not.
  int64_t rows() const { return packed() ? row_ids.size(0) : inputs.size(0); }
  Batch to(const at::Device& device) const;
};

}  // namespace lethe
