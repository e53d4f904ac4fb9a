#include "experiments/streams/text.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/digest.h"
#include "core/error.h"
#include "core/formats/records.h"
#include "core/random.h"
#include "core/text/text_rows.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/text_template.h"

namespace lethe {
namespace {

struct Splits {
  std::vector<TextRow> train, validation, test;
};

// The files of a task that are given, with the role of each.
std::vector<std::pair<std::string, std::string>> files_of(const TextTaskSpec& task) {
  const std::array<std::pair<std::string, std::string>, 4> all = {{{"file", task.file},
                                                                   {"train", task.train},
                                                                   {"validation", task.validation},
                                                                   {"test", task.test}}};
  std::vector<std::pair<std::string, std::string>> given;
  for (const auto& [role, path] : all) {
    if (!path.empty()) given.emplace_back(role, path);
  }
  const bool whole = !task.file.empty() && given.size() == 1;
  const bool apart = task.file.empty() && !task.train.empty() && !task.test.empty();
  if (!whole && !apart) {
    std::vector<std::string> roles;
    for (const auto& [role, path] : given) roles.push_back(role);
    fail("text task '{}' has {}; expected file alone, or train and test with or without validation",
         task.name, roles.empty() ? "no file" : fmt::format("{}", fmt::join(roles, " and ")));
  }
  return given;
}

MetricInfo metric_of(const TextTaskSpec& task) {
  if (task.metric == "exact_match") return {"exact_match", "fraction", true};
  if (task.metric == "loss") return {"loss", "nats", false};
  fail("metric '{}' of text task '{}' is unknown; expected exact_match or loss", task.metric,
       task.name);
}

std::vector<TextRow> read_rows(const TextTaskSpec& task, const std::string& file) {
  const auto tokenizer = builtin_tokenizer();
  std::vector<TextRow> rows;
  RecordPlace place{file, 0, task.name};
  for (const Record& record : read_records(file)) {
    ++place.number;
    const std::string response = fill_template(task.response, record, place);
    if (!task.labels.empty() &&
        std::find(task.labels.begin(), task.labels.end(), response) == task.labels.end()) {
      fail("record {} of {} has the label '{}', which task '{}' does not allow; allowed: {}",
           place.number, file, response, task.name, fmt::join(task.labels, ", "));
    }
    rows.push_back(text_row(*tokenizer, fill_template(task.prompt, record, place), response));
  }
  return rows;
}

// Moves `part` of the `whole` number of rows off the end of `rows`, at least one where it is above
// 0.
std::vector<TextRow> take(std::vector<TextRow>& rows, double part, size_t whole) {
  const auto wanted = static_cast<size_t>(std::llround(part * static_cast<double>(whole)));
  const size_t count = std::min(rows.size(), std::max<size_t>(part > 0 ? 1 : 0, wanted));
  std::vector<TextRow> taken(std::make_move_iterator(rows.end() - static_cast<int64_t>(count)),
                             std::make_move_iterator(rows.end()));
  rows.resize(rows.size() - count);
  return taken;
}

Splits read_splits(const TextTaskSpec& task, const TextStreamOptions& options) {
  files_of(task);
  Splits splits;
  splits.train = read_rows(task, task.file.empty() ? task.train : task.file);
  const size_t whole = splits.train.size();
  // Files are often sorted by label, so that a cut without this would leave labels out.
  if (task.validation.empty())
    Random(static_cast<uint64_t>(options.split_seed)).shuffle(splits.train);
  splits.test =
      task.file.empty() ? read_rows(task, task.test) : take(splits.train, options.test_part, whole);
  splits.validation = task.validation.empty() ? take(splits.train, options.validation_part, whole)
                                              : read_rows(task, task.validation);
  return splits;
}

}  // namespace

TaskStream make_text_stream(const std::vector<TextTaskSpec>& tasks,
                            const TextStreamOptions& options) {
  TaskStream stream;
  stream.name = "text";
  int64_t next_id = 0;
  for (const TextTaskSpec& spec : tasks) {
    Task task;
    task.name = spec.name;
    task.metric = metric_of(spec);
    const auto rows = [&](const char* split, std::vector<TextRow> read) {
      const TextRowsOptions named{
          .name = spec.name + " " + split, .first_id = next_id, .max_length = options.max_length};
      const auto made = std::make_shared<TextRows>(builtin_tokenizer(), std::move(read), named);
      next_id += made->size();
      stream.longest = std::max(stream.longest, made->longest());
      return made;
    };
    Splits splits = read_splits(spec, options);
    task.train = rows("train", std::move(splits.train));
    task.validation = rows("validation", std::move(splits.validation));
    task.test = rows("test", std::move(splits.test));
    stream.tasks.push_back(std::move(task));
  }
  check_stream(stream);
  return stream;
}

std::string text_data_digest(const TextTaskSpec& task) {
  std::string contents;
  for (const auto& [role, path] : files_of(task)) {
    contents += fmt::format("{} {}\n", role, sha256_file(path));
  }
  return sha256(contents);
}

OptionMap text_stream_text(const std::vector<TextTaskSpec>& tasks,
                           const TextStreamOptions& options) {
  OptionMap text = options_text(options);
  for (size_t index = 0; index < tasks.size(); ++index) {
    const TextTaskSpec& task = tasks[index];
    const std::string key = fmt::format("task.{}.", index);
    text[key + "name"] = task.name;
    text[key + "data"] = text_data_digest(task);
    text[key + "prompt"] = task.prompt;
    text[key + "response"] = task.response;
    for (size_t label = 0; label < task.labels.size(); ++label) {
      text[fmt::format("{}label.{}", key, label)] = task.labels[label];
    }
    text[key + "metric"] = task.metric;
  }
  return text;
}

}  // namespace lethe
