// Text tasks from files: records in JSON Lines, a JSON array or CSV, and plain text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/task.h"
#include "core/text/row_form.h"
#include "core/text/tokenizer.h"
#include "experiments/streams/text_task.h"

namespace lethe {

struct TextStreamOptions {
  int64_t max_length = 256;
  double validation_part = 0.1;
  double test_part = 0.2;
  int64_t split_seed = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("max_length", max_length, at_least(2),
          "tokens of a row (T5: of prompt and of response); a prompt loses its left end");
    visit("validation_part", validation_part, between(0.0, 0.9), "share of the rows of one file");
    visit("test_part", test_part, between(0.0, 0.9), "share of the rows of one file");
    visit("split_seed", split_seed, at_least(0), "seed of the split of one file");
  }
};

/// The tasks in order, in ids of `tokenizer` (null: the built-in one) and in the form of `rows`.
/// For a classifier the classes are the labels of all tasks; where tasks differ in them, a task's
/// own alone may win (task-incremental). What is left out or cut is counted in the stream's
/// warnings. Throws Error for a file that can't be read, what read_items() and encoded() refuse, a
/// task or metric that is unknown or does not fit the form, and a split without rows.
TaskStream make_text_stream(const std::vector<TextTaskSpec>& tasks,
                            const TextStreamOptions& options,
                            std::shared_ptr<const Tokenizer> tokenizer = nullptr,
                            const ModelRows& rows = {});

/// Adds probes to a stream of text of that form, each measured in probe_metrics(), their row ids
/// behind those of all other rows. Throws Error as make_text_stream() does, and for two probes of
/// one name.
void add_probes(TaskStream& stream, const std::vector<TextTaskSpec>& probes,
                const TextStreamOptions& options, const ModelRows& rows = {});

/// What decides the stream's rows, for a trial's canonical text: the options, and of every task its
/// name, templates, labels, metric and data digest ("task.0.data").
OptionMap text_stream_text(const std::vector<TextTaskSpec>& tasks,
                           const TextStreamOptions& options);

/// The same of probes alone ("probe.0.data"); they are measured in what every probe is.
OptionMap text_probe_text(const std::vector<TextTaskSpec>& probes);

}  // namespace lethe
