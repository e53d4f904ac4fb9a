// The rows of text tasks and probes, in the form that the model reads.
#pragma once

#include <string>
#include <vector>

#include "core/task.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_encode.h"

namespace lethe {

/// Adds rows to a stream: their ids count on, and what was left out or cut is counted in its
/// warnings. The stream's tokenizer and, for classes, its class names are there before.
class TextAdder {
 public:
  /// Ids begin at `next_id`.
  TextAdder(TaskStream& stream, const TextStreamOptions& options, const ModelRows& rows,
            int64_t next_id);

  /// Training, validation and test rows, and the classes, of a task that is appended.
  void add_task(const TextTaskSpec& spec);
  /// A probe's rows. Throws Error where there are none, and for a label that no task has where the
  /// model predicts classes.
  RowsPtr probe(const TextTaskSpec& spec);

 private:
  RowLimits limits() const;
  RowsPtr add(const TextTaskSpec& spec, const std::string& split, std::vector<TextRow> read);
  RowsPtr add_text(const TextTaskSpec& spec, const std::string& name, std::vector<TextRow> read);
  RowsPtr add_pairs(const TextTaskSpec& spec, const std::string& name, std::vector<TextRow> read);
  RowsPtr add_classes(const TextTaskSpec& spec, const std::string& split,
                      const std::vector<TextItem>& items);
  /// The classes of the task's labels, in ascending order.
  std::vector<int64_t> classes_of(const TextTaskSpec& spec) const;
  void warn_of_left_out(const std::string& what, const LeftOut& left_out);
  void warn_of_cut(const std::string& name, int64_t cut, int64_t rows, const char* what,
                   const char* end);

  TaskStream& stream_;
  const TextStreamOptions& options_;
  const ModelRows& rows_;
  int64_t next_id_;
};

}  // namespace lethe
