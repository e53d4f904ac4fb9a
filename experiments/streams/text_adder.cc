#include "experiments/streams/text_adder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text/class_rows.h"
#include "core/text/pair_rows.h"
#include "core/text/text_rows.h"
#include "experiments/streams/text_form.h"

namespace lethe {

TextAdder::TextAdder(TaskStream& stream, const TextStreamOptions& options, const ModelRows& rows,
                     int64_t next_id)
    : stream_(stream), options_(options), rows_(rows), next_id_(next_id) {}

void TextAdder::add_task(const TextTaskSpec& spec) {
  Task task;
  task.name = spec.name;
  check_form(spec, rows_);
  task.metric = task_metric(spec, rows_);
  task.stop = spec.stop;
  LeftOut left_out;
  if (rows_.form == RowForm::classes) {
    const TextSplits items = read_splits(spec, limits().shares, left_out);
    warn_of_left_out(fmt::format("task '{}'", spec.name), left_out);
    task.classes = classes_of(spec);
    task.train = add_classes(spec, "train", items.train);
    task.validation = add_classes(spec, "validation", items.validation);
    task.test = add_classes(spec, "test", items.test);
  } else {
    RowSplits rows = row_splits(spec, limits(), left_out);
    warn_of_left_out(fmt::format("task '{}'", spec.name), left_out);
    task.train = add(spec, "train", std::move(rows.train));
    task.validation = add(spec, "validation", std::move(rows.validation));
    task.test = add(spec, "test", std::move(rows.test));
  }
  stream_.tasks.push_back(std::move(task));
}

RowsPtr TextAdder::probe(const TextTaskSpec& spec) {
  check_form(spec, rows_);
  const std::string what = fmt::format("probe '{}'", spec.name);
  LeftOut left_out;
  std::vector<TextItem> items;
  std::vector<TextRow> read;
  if (rows_.form == RowForm::classes) {
    items = probe_items(spec, limits().shares, left_out);
    if (spec.test_rows > 0 && static_cast<int64_t>(items.size()) > spec.test_rows) {
      items.resize(static_cast<size_t>(spec.test_rows));
    }
  } else {
    read = probe_rows(spec, limits(), left_out);
  }
  warn_of_left_out(what, left_out);
  if (items.empty() && read.empty()) fail("stream '{}', {} has no rows", stream_.name, what);
  return items.empty() ? add(spec, "probe", std::move(read)) : add_classes(spec, "probe", items);
}

RowLimits TextAdder::limits() const {
  return {*stream_.tokenizer,
          options_.max_length,
          {options_.validation_part, options_.test_part, options_.split_seed},
          rows_.form};
}

RowsPtr TextAdder::add(const TextTaskSpec& spec, const std::string& split,
                       std::vector<TextRow> read) {
  const std::string name = spec.name + " " + split;
  const RowsPtr rows = rows_.form == RowForm::pairs ? add_pairs(spec, name, std::move(read))
                                                    : add_text(spec, name, std::move(read));
  next_id_ += rows->size();
  return rows;
}

RowsPtr TextAdder::add_text(const TextTaskSpec& spec, const std::string& name,
                            std::vector<TextRow> read) {
  TextRowsOptions options;
  options.name = name;
  const bool all = spec.form != "records" || spec.predict == "all";
  options.predict = all ? Predict::all : Predict::response;
  options.first_id = next_id_;
  options.max_length = options_.max_length;
  options.normalised = spec.normalise;
  if (spec.metric == "label_accuracy") options.labels = label_ids(spec, limits());
  const auto rows = std::make_shared<TextRows>(stream_.tokenizer, std::move(read), options);
  // No row is longer than max_length; a text generated after a longer prompt than its own may end
  // there.
  stream_.longest = std::max(stream_.longest, std::min(rows->longest(), options_.max_length));
  warn_of_cut(name, rows->truncated(), rows->size(), "prompts", "left");
  return rows;
}

RowsPtr TextAdder::add_pairs(const TextTaskSpec& spec, const std::string& name,
                             std::vector<TextRow> read) {
  PairRowsOptions options;
  options.name = name;
  options.first_id = next_id_;
  options.max_source = options.max_target = options_.max_length;
  options.start_id = rows_.start_id;
  options.normalised = spec.normalise;
  if (spec.metric == "label_accuracy") options.labels = label_ids(spec, limits());
  const auto rows = std::make_shared<PairRows>(stream_.tokenizer, std::move(read), options);
  stream_.longest = std::max({stream_.longest, rows->longest_source(), rows->longest_target()});
  warn_of_cut(name, rows->truncated(), rows->size(), "prompts", "left");
  return rows;
}

RowsPtr TextAdder::add_classes(const TextTaskSpec& spec, const std::string& split,
                               const std::vector<TextItem>& items) {
  ClassRowsOptions options;
  options.name = spec.name + " " + split;
  options.first_id = next_id_;
  options.max_length = options_.max_length;
  options.classes = stream_.classes;
  options.pairs = !spec.second.empty();
  const std::vector<int64_t> own = classes_of(spec);
  if (stream_.scenario == Scenario::task_incremental) options.active = own;
  std::vector<LabelledText> texts;
  for (const TextItem& item : items) texts.push_back({item.prompt, item.second, item.response});
  const auto rows = make_class_rows(stream_.tokenizer, texts, stream_.class_names, options);
  next_id_ += rows->size();
  stream_.longest = std::max(stream_.longest, rows->longest());
  warn_of_cut(options.name, rows->truncated(), rows->size(), "texts", "right");
  return rows;
}

std::vector<int64_t> TextAdder::classes_of(const TextTaskSpec& spec) const {
  const auto& names = stream_.class_names;
  std::vector<int64_t> classes;
  for (const std::string& label : spec.labels) {
    const auto found = std::find(names.begin(), names.end(), label);
    if (found == names.end()) {
      fail("probe '{}' has the label '{}', which no task of the stream has; their labels: {}",
           spec.name, label, fmt::join(names, ", "));
    }
    classes.push_back(found - names.begin());
  }
  std::sort(classes.begin(), classes.end());
  return classes;
}

void TextAdder::warn_of_left_out(const std::string& what, const LeftOut& left_out) {
  for (const auto& [reason, count] : left_out) {
    stream_.warnings.push_back(fmt::format("{}: {} record{} {} {} left out", what, count,
                                           count == 1 ? "" : "s", reason,
                                           count == 1 ? "is" : "are"));
  }
}

void TextAdder::warn_of_cut(const std::string& name, int64_t cut, int64_t rows, const char* what,
                            const char* end) {
  if (cut == 0) return;
  stream_.warnings.push_back(
      fmt::format("{}: {} of {} {} lose tokens at their {} end to fit max_length = {}", name, cut,
                  rows, what, end, options_.max_length));
}

}  // namespace lethe
