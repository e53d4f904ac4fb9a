#include "analysis/metric_table.h"

#include <algorithm>

#include "analysis/metrics.h"

namespace lethe {
namespace {

// "final_average", or "final_average:loss" where the stream's tasks differ in metric.
std::string task_key(const std::string& key, const MetricInfo& metric, const MeasuredIn& measured) {
  return measured.tasks.size() > 1 ? key + ":" + metric.name : key;
}

// "base_loss_rise", "Base loss rise" of a loss; of an accuracy `name` stands for the loss, and a
// rise is a drop.
std::string of_probe(std::string text, const MetricInfo& metric, const std::string& name) {
  const auto loss = text.find("loss");
  if (metric.name == "loss" || loss == std::string::npos) return text;
  text.replace(loss, 4, name);
  if (const auto at = text.find("rise"); metric.higher_is_better && at != std::string::npos) {
    text.replace(at, 4, "drop");
  }
  return text;
}

std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

MetricDoc concrete(MetricDoc doc, const MetricInfo& metric, bool is_score) {
  if (doc.unit == "score" || doc.unit == "nats") doc.unit = metric.unit;
  if (is_score) doc.higher_is_better = metric.higher_is_better;
  return doc;
}

void add_new(std::vector<MetricInfo>& known, const MetricInfo& metric) {
  const auto same = [&](const MetricInfo& other) { return other.name == metric.name; };
  if (std::none_of(known.begin(), known.end(), same)) known.push_back(metric);
}

std::vector<ProbeScores> probes_in(const TrialResult& result, const std::string& metric) {
  std::vector<ProbeScores> probes = probe_scores(result);
  std::erase_if(probes, [&](const ProbeScores& probe) { return probe.metric.name != metric; });
  return probes;
}

// The probes of one metric, where there are several; a single one needs no name.
std::vector<std::string> named_probes(const MeasuredIn& measured, const std::string& metric) {
  const auto names = measured.probe_names.find(metric);
  if (names == measured.probe_names.end() || names->second.size() < 2) return {};
  return names->second;
}

void add_probe_docs(const MeasuredIn& measured, std::vector<MetricDoc>& docs) {
  for (const auto& [doc, is_score, of] : probe_metrics()) {
    for (const auto& metric : measured.probes) {
      const std::string key = of_probe(doc.key, metric, metric.name);
      MetricDoc named = doc;
      named.title = of_probe(doc.title, metric, in_words(metric.name));
      named.key = key;
      docs.push_back(concrete(named, metric, is_score));
      const MetricDoc over_all = docs.back();
      for (const std::string& name : named_probes(measured, metric.name)) {
        docs.push_back(over_all);
        docs.back().key = key + ":" + name;
        docs.back().title += ", " + name;
      }
    }
  }
}

}  // namespace

MeasuredIn measured_in(const std::vector<const TrialRecord*>& trials) {
  MeasuredIn measured;
  for (const TrialRecord* trial : trials) {
    for (const auto& metric : task_metrics(trial->result)) add_new(measured.tasks, metric);
    for (const auto& probe : probe_scores(trial->result)) {
      add_new(measured.probes, probe.metric);
      std::vector<std::string>& names = measured.probe_names[probe.metric.name];
      if (std::find(names.begin(), names.end(), probe.probe) == names.end()) {
        names.push_back(probe.probe);
      }
    }
  }
  return measured;
}

std::vector<MetricDoc> docs_for(const MeasuredIn& measured) {
  std::vector<MetricDoc> docs;
  for (const auto& [doc, is_score, of] : score_metrics()) {
    for (const auto& metric : measured.tasks) {
      MetricDoc named = doc;
      named.key = task_key(doc.key, metric, measured);
      if (named.key != doc.key) named.title += " (" + metric.name + ")";
      docs.push_back(concrete(named, metric, is_score));
    }
  }
  add_probe_docs(measured, docs);
  for (const auto& cost : cost_metrics()) docs.push_back(cost.doc);
  return docs;
}

std::map<std::string, double> numbers_of(const TrialResult& result, const MeasuredIn& measured) {
  std::map<std::string, double> numbers;
  const auto put = [&](const std::string& key, std::optional<double> value) {
    if (value) numbers[key] = *value;
  };
  for (const auto& metric : measured.tasks) {
    const RMatrix r = rmatrix_of(result, metric.name);
    for (const auto& score : score_metrics()) {
      put(task_key(score.doc.key, metric, measured), score.of(r, result));
    }
  }
  for (const auto& metric : measured.probes) {
    const auto probes = probes_in(result, metric.name);
    const auto names = named_probes(measured, metric.name);
    for (const auto& probe : probe_metrics()) {
      const std::string key = of_probe(probe.doc.key, metric, metric.name);
      put(key, probe.of(probes));
      for (const ProbeScores& one : probes) {
        if (!names.empty()) put(key + ":" + one.probe, probe.of({one}));
      }
    }
  }
  for (const auto& cost : cost_metrics()) put(cost.doc.key, cost.of(result));
  return numbers;
}

const std::vector<MetricDoc>& metric_docs() {
  static const std::vector<MetricDoc> docs = [] {
    std::vector<MetricDoc> all;
    for (const auto& metric : score_metrics()) all.push_back(metric.doc);
    for (const auto& metric : probe_metrics()) all.push_back(metric.doc);
    for (const auto& metric : cost_metrics()) all.push_back(metric.doc);
    return all;
  }();
  return docs;
}

}  // namespace lethe
