#include "experiments/streams/mixture.h"

#include <utility>

#include "experiments/streams/grammar.h"
#include "experiments/streams/instructions.h"

namespace lethe {

TextRows make_mixture(const MixtureOptions& options, MixtureSplit split, int64_t first_id) {
  const bool train = split == MixtureSplit::train;
  const int64_t first = train ? options.held_out_rows : 0;
  const int64_t count = train ? options.train_rows : options.held_out_rows;
  const auto texts = distinct_texts(first + count, static_cast<uint64_t>(options.data_seed));
  const auto tokenizer = builtin_tokenizer();
  std::vector<TextRow> rows;
  for (int64_t row = first; row < first + count; ++row) {
    rows.push_back(text_row(*tokenizer, "", texts[row]));
  }
  return TextRows(tokenizer, std::move(rows),
                  {.name = train ? "pretraining train" : "pretraining held-out",
                   .predict = Predict::all,
                   .first_id = first_id});
}

RowsPtr pretraining_rows(const MixtureOptions& options, MixtureSplit split, int64_t first_id) {
  return std::make_shared<TextRows>(make_mixture(options, split, first_id));
}

}  // namespace lethe
