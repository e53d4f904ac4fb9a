#include "experiments/streams/text_form.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/text/text_metrics.h"

namespace lethe {
namespace {

const MetricInfo kAccuracy = {"accuracy", "fraction", true};

bool predicts_all(const TextTaskSpec& task) {
  return task.form != "records" || task.predict == "all";
}

MetricInfo class_metric(const TextTaskSpec& task, const ModelRows& rows) {
  if (task.metric == "loss") return find_text_metric("loss")->info;
  for (const char* same : {"exact_match", "label_accuracy", "accuracy"}) {
    if (task.metric == same) return kAccuracy;
  }
  fail(
      "text task '{}' is measured in {}, but {} predicts classes; choose metric = \"accuracy\" or "
      "\"loss\"",
      task.name, task.metric, rows.model);
}

}  // namespace

void check_form(const TextTaskSpec& task, const ModelRows& rows) {
  const bool classes = rows.form == RowForm::classes;
  if (!classes && !task.second.empty()) {
    fail(
        "text task '{}' has second, but {} reads no pairs of texts; write both texts into prompt, "
        "or choose a model that classifies, such as BERT",
        task.name, rows.model.empty() ? "the model" : rows.model);
  }
  if (rows.form == RowForm::text) return;
  if (predicts_all(task)) {
    fail(
        "text task '{}' predicts every token of a text, but {} {}; give it records with {} and "
        "predict = \"response\"",
        task.name, rows.model,
        classes ? "predicts classes" : "reads sources and predicts their targets",
        classes ? "labels" : "a prompt, a response");
  }
  if (classes && task.labels.empty()) {
    fail("text task '{}' lists no labels, but {} predicts classes; give labels = [...]", task.name,
         rows.model);
  }
}

MetricInfo task_metric(const TextTaskSpec& task, const ModelRows& rows) {
  if (rows.form == RowForm::classes) return class_metric(task, rows);
  const TextMetric* metric = find_text_metric(task.metric);
  if (metric == nullptr) {
    std::vector<std::string> known;
    for (const TextMetric& one : text_metrics()) known.push_back(one.info.name);
    fail("metric '{}' of text task '{}' is unknown; known metrics: {}", task.metric, task.name,
         fmt::join(known, ", "));
  }
  const bool by_token = task.metric == "loss" || task.metric == "token_accuracy";
  if (predicts_all(task) && !by_token) {
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

std::vector<MetricInfo> probe_metrics(RowForm form) {
  const MetricInfo loss = find_text_metric("loss")->info;
  if (form == RowForm::classes) return {loss, kAccuracy};
  return {loss, find_text_metric("token_accuracy")->info};
}

std::vector<std::string> class_names(const std::vector<TextTaskSpec>& tasks) {
  std::vector<std::string> names;
  for (const TextTaskSpec& task : tasks) {
    for (const std::string& label : task.labels) {
      if (std::find(names.begin(), names.end(), label) == names.end()) names.push_back(label);
    }
  }
  return names;
}

}  // namespace lethe
