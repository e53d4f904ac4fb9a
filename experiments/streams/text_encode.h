// From the texts of a task to rows of token ids. Free of libtorch apart from what rows hold.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/text_rows.h"
#include "experiments/streams/text_items.h"

namespace lethe {

/// A file of a task as rows, or a part of one.
struct RowSplits {
  std::vector<TextRow> train, validation, test;
};

/// What rows must fit: a tokenizer, tokens of a row, and the shares by which one file is split.
struct RowLimits {
  const Tokenizer& tokenizer;
  int64_t max_length = 256;
  SplitShares shares = {};
};

/// The ids of the task's labels, each with the end mark where the task has one.
std::vector<std::vector<int64_t>> label_ids(const TextTaskSpec& task, const Tokenizer& tokenizer);

/// Rows of (prompt, response). Throws Error with the record's place for a response that does not
/// fit max_length with one token of its prompt; with `skip` it is left out and counted.
std::vector<TextRow> encoded(const TextTaskSpec& task, const std::vector<TextItem>& items,
                             const RowLimits& limits, LeftOut& left_out);

/// A row that is predicted whole: its first half as prompt, for samples, the second as response.
TextRow halved(const std::vector<int64_t>& ids);

/// The ids of a JSON list of whole numbers; nullopt for any other text.
std::optional<std::vector<int64_t>> read_ids(std::string_view text);

/// Windows over `text`: the begin mark where the tokenizer has one, then ids, `window` tokens in
/// all, each `stride` ids after the one before (0 = where that one ends). With a separator every
/// document, without white space at its ends, has windows of its own. A window that predicts
/// nothing is left out.
std::vector<TextRow> text_windows(const TextTaskSpec& task, std::string_view text,
                                  const RowLimits& limits);

/// The parts of a plain text: test at its end, validation before it, by shares of its bytes, cut
/// where a line (with a separator: a document) begins.
struct TextParts {
  std::string_view train, validation, test;
};
TextParts text_parts(std::string_view text, const SplitShares& shares,
                     const std::string& separator);

/// Rows of token ids from JSON Lines, all but the first id predicted. Throws Error with the place
/// for a field that is no list of ids, an id outside the vocabulary, and more than max_length ids
/// (which `skip` leaves out and counts).
std::vector<TextRow> read_id_rows(const TextTaskSpec& task, const std::string& file,
                                  const RowLimits& limits, LeftOut& left_out);

/// The task's training, validation and test rows, whatever its form.
RowSplits row_splits(const TextTaskSpec& task, const RowLimits& limits, LeftOut& left_out);

/// The rows of a probe: all of its file, or the test rows of a task with splits.
std::vector<TextRow> probe_rows(const TextTaskSpec& probe, const RowLimits& limits,
                                LeftOut& left_out);

}  // namespace lethe
