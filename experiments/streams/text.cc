#include "experiments/streams/text.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text/text_metrics.h"
#include "core/text/text_rows.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/text_encode.h"

namespace lethe {
namespace {

RowLimits limits_of(const Tokenizer& tokenizer, const TextStreamOptions& options) {
  return {tokenizer,
          options.max_length,
          {options.validation_part, options.test_part, options.split_seed}};
}

MetricInfo metric_of(const TextTaskSpec& task) {
  const TextMetric* metric = find_text_metric(task.metric);
  if (metric == nullptr) {
    std::vector<std::string> known;
    for (const TextMetric& one : text_metrics()) known.push_back(one.info.name);
    fail("metric '{}' of text task '{}' is unknown; known metrics: {}", task.metric, task.name,
         fmt::join(known, ", "));
  }
  const bool by_token = task.metric == "loss" || task.metric == "token_accuracy";
  if ((task.form != "records" || task.predict == "all") && !by_token) {
    fail(
        "text task '{}' predicts all tokens and is measured in {}; choose metric = \"loss\" or "
        "\"token_accuracy\"",
        task.name, task.metric);
  }
  if (metric->by == ScoredBy::labels && task.labels.empty()) {
    fail("text task '{}' is measured in {}, but lists no labels; give labels = [...]", task.name,
         task.metric);
  }
  return metric->info;
}

void warn_of_left_out(const std::string& what, const LeftOut& left_out, TaskStream& stream) {
  for (const auto& [reason, count] : left_out) {
    stream.warnings.push_back(fmt::format("{}: {} record{} {} {} left out", what, count,
                                          count == 1 ? "" : "s", reason,
                                          count == 1 ? "is" : "are"));
  }
}

/// Adds rows to the stream: their ids count on, and what was cut is counted.
class RowAdder {
 public:
  RowAdder(TaskStream& stream, int64_t max_length, int64_t next_id)
      : stream_(stream), max_length_(max_length), next_id_(next_id) {}

  RowsPtr add(const TextTaskSpec& spec, const std::string& split, std::vector<TextRow> read) {
    TextRowsOptions options;
    options.name = spec.name + " " + split;
    const bool all = spec.form != "records" || spec.predict == "all";
    options.predict = all ? Predict::all : Predict::response;
    options.first_id = next_id_;
    options.max_length = max_length_;
    options.normalised = spec.normalise;
    if (spec.metric == "label_accuracy") options.labels = label_ids(spec, *stream_.tokenizer);
    const auto rows = std::make_shared<TextRows>(stream_.tokenizer, std::move(read), options);
    next_id_ += rows->size();
    // No row is longer than max_length; a text generated after a longer prompt than its own may end
    // there.
    stream_.longest = std::max(stream_.longest, std::min(rows->longest(), max_length_));
    if (rows->truncated() > 0) {
      stream_.warnings.push_back(
          fmt::format("{}: {} of {} prompts lose tokens at their left end to fit max_length = {}",
                      options.name, rows->truncated(), rows->size(), max_length_));
    }
    return rows;
  }

 private:
  TaskStream& stream_;
  int64_t max_length_, next_id_;
};

/// The first id that no row of the stream has.
int64_t free_id(const TaskStream& stream) {
  int64_t next = 0;
  const auto see = [&next](const RowsPtr& rows) {
    next = std::max(next, rows->first_id() + rows->size());
  };
  for (const Task& task : stream.tasks) {
    for (const RowsPtr& rows : {task.train, task.validation, task.test}) see(rows);
  }
  for (const Probe& probe : stream.probes) see(probe.rows);
  return next;
}

}  // namespace

TaskStream make_text_stream(const std::vector<TextTaskSpec>& tasks,
                            const TextStreamOptions& options,
                            std::shared_ptr<const Tokenizer> tokenizer) {
  TaskStream stream;
  stream.name = "text";
  stream.tokenizer = tokenizer ? std::move(tokenizer) : builtin_tokenizer();
  RowAdder adder(stream, options.max_length, 0);
  for (const TextTaskSpec& spec : tasks) {
    Task task;
    task.name = spec.name;
    task.metric = metric_of(spec);
    task.stop = spec.stop;
    LeftOut left_out;
    RowSplits rows = row_splits(spec, limits_of(*stream.tokenizer, options), left_out);
    warn_of_left_out(fmt::format("task '{}'", spec.name), left_out, stream);
    task.train = adder.add(spec, "train", std::move(rows.train));
    task.validation = adder.add(spec, "validation", std::move(rows.validation));
    task.test = adder.add(spec, "test", std::move(rows.test));
    stream.tasks.push_back(std::move(task));
  }
  check_stream(stream);
  return stream;
}

void add_probes(TaskStream& stream, const std::vector<TextTaskSpec>& probes,
                const TextStreamOptions& options) {
  RowAdder adder(stream, options.max_length, free_id(stream));
  for (const TextTaskSpec& spec : probes) {
    for (const Probe& known : stream.probes) {
      if (known.name != spec.name) continue;
      fail("probe '{}' is there already; give every probe a name of its own", spec.name);
    }
    LeftOut left_out;
    std::vector<TextRow> read = probe_rows(spec, limits_of(*stream.tokenizer, options), left_out);
    warn_of_left_out(fmt::format("probe '{}'", spec.name), left_out, stream);
    if (read.empty()) fail("stream '{}', probe '{}' has no rows", stream.name, spec.name);
    const RowsPtr rows = adder.add(spec, "probe", std::move(read));
    for (const char* metric : {"loss", "token_accuracy"}) {
      stream.probes.push_back({spec.name, find_text_metric(metric)->info, rows});
    }
  }
}

OptionMap text_stream_text(const std::vector<TextTaskSpec>& tasks,
                           const TextStreamOptions& options) {
  OptionMap text = options_text(options);
  for (size_t index = 0; index < tasks.size(); ++index) {
    for (const auto& [key, value] : text_task_text(tasks[index])) {
      text[fmt::format("task.{}.{}", index, key)] = value;
    }
  }
  return text;
}

OptionMap text_probe_text(const std::vector<TextTaskSpec>& probes) {
  OptionMap text;
  for (size_t index = 0; index < probes.size(); ++index) {
    for (const auto& [key, value] : text_task_text(probes[index])) {
      if (key != "metric") text[fmt::format("probe.{}.{}", index, key)] = value;
    }
  }
  return text;
}

}  // namespace lethe
