// Tasks, their rows, and the order in which a trial meets them (van de Ven & Tolias 2019).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/trial.h"

namespace lethe {

/// Rows of one distribution and split. A row's id is unique within its stream: `first_id() +
/// index`.
class Rows {
 public:
  explicit Rows(int64_t first_id) : first_id_(first_id) {}
  virtual ~Rows() = default;
  virtual int64_t size() const = 0;
  /// The batch of the given rows (indices in [0, size())), in that order, on the CPU.
  virtual Batch batch(const std::vector<int64_t>& indices) const = 0;
  /// Tokens of a row (its cost, for length-sorted evaluation); 1 for images.
  virtual int64_t length(int64_t /*index*/) const { return 1; }
  /// A digest of the row's content, by which overlap of splits is found.
  virtual uint64_t fingerprint(int64_t index) const = 0;
  int64_t first_id() const { return first_id_; }

 private:
  int64_t first_id_;
};

using RowsPtr = std::shared_ptr<const Rows>;

/// The prompt and the response of text rows, for samples. Classifiers' rows do not have it.
class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual std::string prompt(int64_t index) const = 0;
  virtual std::string expected(int64_t index) const = 0;
  virtual std::vector<int64_t> prompt_ids(int64_t index) const = 0;
  /// Text of ids that a model generated, end mark left out.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  virtual int64_t end_id() const = 0;
  virtual int64_t longest_response() const = 0;  ///< tokens, end mark included
};

/// Text rows whose answer is one of a few labels. A row's labels are scored one after the other.
class LabelSource {
 public:
  virtual ~LabelSource() = default;
  virtual int64_t labels() const = 0;  ///< their number; 0 = rows without labels
  /// The prompts of the rows, each with the label as its response.
  virtual Batch label_batch(const std::vector<int64_t>& indices, int64_t label) const = 0;
  virtual int64_t label_of(int64_t index) const = 0;  ///< of the row's own response
  virtual bool normalised() const = 0;                ///< compare by token, not by label
};

class Tokenizer;

struct Task {
  std::string name;
  MetricInfo metric;  ///< accuracy, or one of core/text/text_metrics.h
  RowsPtr train, validation, test;
  std::vector<int64_t> classes;        ///< the classes of this task; empty for text
  std::vector<std::string> stop = {};  ///< texts at which a generated answer is cut
};

enum class Scenario { task_incremental, domain_incremental, class_incremental };

/// What the model could do before: rows measured before and after every task, never trained on.
/// Probes that follow one another with the same rows take one forward pass.
struct Probe {
  std::string name;
  MetricInfo metric;
  RowsPtr rows;
};

struct TaskStream {
  std::string name;
  Scenario scenario = Scenario::domain_incremental;
  std::vector<Task> tasks;
  std::vector<Probe> probes;
  int64_t classes = 0;                              ///< output units a classifier needs; 0 for text
  int64_t features = 0;                             ///< input width of a classifier; 0 for text
  std::vector<std::string> class_names = {};        ///< of a classifier of text, by class
  int64_t longest = 0;                              ///< tokens of the longest row; 0 for images
  std::vector<std::string> warnings;                ///< such as rows shared by training and test
  std::shared_ptr<const Tokenizer> tokenizer = {};  ///< of text rows; null for images
};

/// Throws Error for a task- or class-incremental stream with a task without classes (nothing to
/// mask), and for a mask of another width than the stream's classes; names the task.
void check_masks(const TaskStream& stream);

/// Throws Error, naming `owner` and the stream, where the stream has no classes: `why` the method
/// needs them, and what to do `instead`.
void require_classes(const std::string& owner, const TaskStream& stream, const std::string& why,
                     const std::string& instead);

/// Every row in batches of `batch_size`, in order; the last may be smaller.
std::vector<std::vector<int64_t>> in_batches(int64_t rows, int64_t batch_size);

/// Throws for a task without rows in a split, for a label outside the classes, and as
/// check_masks(); names task and split; fills `warnings` where training and test rows (or training
/// and validation rows) share content.
void check_stream(TaskStream& stream);

}  // namespace lethe
