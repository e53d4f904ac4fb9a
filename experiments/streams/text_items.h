// The records of a text task as prompts and responses, and their splits. Free of libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "experiments/streams/text_task.h"

namespace lethe {

struct TextItem {
  std::string prompt, response;
  std::string group;        ///< of `group`; empty without
  std::string place;        ///< "FILE:LINE"
  int64_t record = 0;       ///< number in its file, from 0
  std::string second = {};  ///< of `second`; empty without
};

/// How many records were left out, by reason ("with an empty response").
using LeftOut = std::map<std::string, int64_t>;

/// The file's records through the task's templates, in order. Throws Error with the record's place
/// for invalid UTF-8, an empty response and a label that is not allowed; with `skip` the first two
/// are counted in `left_out` and left out, as records are whose response is in leave_out.
std::vector<TextItem> read_items(const TextTaskSpec& task, const std::string& file,
                                 LeftOut& left_out);

struct TextSplits {
  std::vector<TextItem> train, validation, test;
};

/// Shares of the rows of one file, and the seed of their order.
struct SplitShares {
  double validation = 0.1, test = 0.2;
  int64_t seed = 1;
};

/// The task's rows in splits: by files, by ranges of records where they are given, else by shares
/// of one file in an order of the seed, whole groups where the task has groups; then at most
/// train_rows, validation_rows and test_rows of each. Throws Error for ranges that are no
/// FIRST:END within the file, that overlap, or that leave the test rows of one file open.
TextSplits read_splits(const TextTaskSpec& task, const SplitShares& shares, LeftOut& left_out);

}  // namespace lethe
