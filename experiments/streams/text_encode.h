// From the texts of a task to rows of token ids. Free of libtorch apart from what rows hold.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/row_form.h"
#include "core/text/text_rows.h"
#include "experiments/streams/text_items.h"

namespace lethe {

/// A file of a task as rows, or a part of one.
struct RowSplits {
  std::vector<TextRow> train, validation, test;
};

/// What rows must fit: a tokenizer, tokens of a row (of pairs: of source and of target), the shares
/// by which one file is split, and whether they are text or pairs.
struct RowLimits {
  const Tokenizer& tokenizer;
  int64_t max_length = 256;
  SplitShares shares = {};
  RowForm form = RowForm::text;
};

/// The ids of the task's labels, each with the end mark where the task has one.
std::vector<std::vector<int64_t>> label_ids(const TextTaskSpec& task, const RowLimits& limits);

/// Rows of (prompt, response). Throws Error with the record's place for a response that does not
/// fit max_length, of text with one token of its prompt; with `skip` it is left out and counted.
std::vector<TextRow> encoded(const TextTaskSpec& task, const std::vector<TextItem>& items,
                             const RowLimits& limits, LeftOut& left_out);

/// A row that is predicted whole: its first half as prompt, for samples, the second as response.
TextRow halved(const std::vector<int64_t>& ids);

/// The ids of a JSON list of whole numbers; nullopt for any other text.
std::optional<std::vector<int64_t>> read_ids(std::string_view text);

/// Windows over `text`: what the tokenizer itself puts before a text, then ids, `window` tokens in
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

/// The records of a probe: all of its file, or the test records of a task with splits.
std::vector<TextItem> probe_items(const TextTaskSpec& probe, const SplitShares& shares,
                                  LeftOut& left_out);

/// The rows of a probe: all of its file, or the test rows of a task with splits.
std::vector<TextRow> probe_rows(const TextTaskSpec& probe, const RowLimits& limits,
                                LeftOut& left_out);

}  // namespace lethe
