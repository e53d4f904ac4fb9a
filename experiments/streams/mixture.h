// The general text on which the built-in decoder is pretrained, and by which is seen what it keeps.
#pragma once

#include <cstdint>

#include "core/text/text_rows.h"

namespace lethe {

struct MixtureOptions {
  int64_t train_rows = 12000;
  int64_t held_out_rows = 200;
  int64_t data_seed = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("train_rows", train_rows, at_least(1), "rows of general text for pretraining");
    visit("held_out_rows", held_out_rows, at_least(1), "rows never trained on");
    visit("data_seed", data_seed, at_least(0), "seed of the text");
  }
};

enum class MixtureSplit { train, held_out };

/// Distinct rows of plain text, every token but the first predicted. The held-out rows are drawn
/// first: they do not depend on train_rows, and no training row equals one of them.
TextRows make_mixture(const MixtureOptions& options, MixtureSplit split, int64_t first_id = 0);

RowsPtr pretraining_rows(const MixtureOptions& options, MixtureSplit split, int64_t first_id = 0);

}  // namespace lethe
