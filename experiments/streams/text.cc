#include "experiments/streams/text.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/text_adder.h"
#include "experiments/streams/text_form.h"

namespace lethe {
namespace {

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

/// The classes are those of all tasks. Where tasks differ in their labels, each is told apart from
/// the others, as a task's labels are when they are scored.
void take_classes(const std::vector<TextTaskSpec>& tasks, TaskStream& stream) {
  stream.class_names = class_names(tasks);
  stream.classes = static_cast<int64_t>(stream.class_names.size());
  for (const TextTaskSpec& task : tasks) {
    const std::set<std::string> labels(task.labels.begin(), task.labels.end());
    if (labels.size() < stream.class_names.size()) stream.scenario = Scenario::task_incremental;
  }
}

}  // namespace

TaskStream make_text_stream(const std::vector<TextTaskSpec>& tasks,
                            const TextStreamOptions& options,
                            std::shared_ptr<const Tokenizer> tokenizer, const ModelRows& rows) {
  TaskStream stream;
  stream.name = "text";
  stream.tokenizer = tokenizer ? std::move(tokenizer) : builtin_tokenizer();
  if (rows.form == RowForm::classes) take_classes(tasks, stream);
  TextAdder adder(stream, options, rows, 0);
  for (const TextTaskSpec& spec : tasks) adder.add_task(spec);
  check_stream(stream);
  return stream;
}

void add_probes(TaskStream& stream, const std::vector<TextTaskSpec>& probes,
                const TextStreamOptions& options, const ModelRows& rows) {
  TextAdder adder(stream, options, rows, free_id(stream));
  for (const TextTaskSpec& spec : probes) {
    for (const Probe& known : stream.probes) {
      if (known.name != spec.name) continue;
      fail("probe '{}' is there already; give every probe a name of its own", spec.name);
    }
    const RowsPtr read = adder.probe(spec);
    for (const MetricInfo& metric : probe_metrics(rows.form)) {
      stream.probes.push_back({spec.name, metric, read});
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
