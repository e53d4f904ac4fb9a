// Text tasks from files of records: JSON Lines, a JSON array or CSV.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/task.h"

namespace lethe {

/// One task. Either `file`, which is split, or `train` and `test`, with `validation` cut from the
/// training rows where it is not given.
struct TextTaskSpec {
  std::string name = {};
  std::string file = {}, train = {}, validation = {}, test = {};  ///< paths
  /// Text with fields in braces, as in "{sentence}\nAnswer:"; "{{" and "}}" are plain braces.
  std::string prompt = {};
  std::string response = "{label}";
  std::vector<std::string> labels = {};  ///< the responses allowed; empty = any
  std::string metric = "exact_match";    ///< or "loss", in nats
};

struct TextStreamOptions {
  int64_t max_length = 256;
  double validation_part = 0.1;
  double test_part = 0.2;
  int64_t split_seed = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("max_length", max_length, at_least(2), "tokens of a row; a prompt loses its left end");
    visit("validation_part", validation_part, between(0.0, 0.9), "share of the rows of one file");
    visit("test_part", test_part, between(0.0, 0.9), "share of the rows of one file");
    visit("split_seed", split_seed, at_least(0), "seed of the split of one file");
  }
};

/// The tasks in order, in ids of the built-in tokenizer. Throws Error for a file that cannot be
/// read, a record that lacks a field of a template, a label outside `labels`, an unknown metric, a
/// response longer than max_length, and a split without rows.
TaskStream make_text_stream(const std::vector<TextTaskSpec>& tasks,
                            const TextStreamOptions& options);

/// SHA-256 over the contents of the task's files and their roles; their paths do not matter.
std::string text_data_digest(const TextTaskSpec& task);

/// What decides the stream's rows, for a trial's canonical text: the options, and of every task its
/// name, templates, labels, metric and data digest ("task.0.data").
OptionMap text_stream_text(const std::vector<TextTaskSpec>& tasks,
                           const TextStreamOptions& options);

}  // namespace lethe
