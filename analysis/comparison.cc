#include "analysis/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "analysis/canonical_lines.h"
#include "analysis/comparison_notes.h"
#include "analysis/method_trials.h"
#include "analysis/metric_table.h"
#include "analysis/report_samples.h"
#include "analysis/trained_as.h"

namespace lethe {
namespace {

using Trials = std::vector<const TrialRecord*>;
using BySeed = std::map<int64_t, double>;
using Numbers = std::map<std::string, BySeed>;  // by metric key

struct Group {
  std::string stream, model, build, device_class;
  Trials trials;
};

std::vector<Group> group_trials(const std::vector<TrialRecord>& records) {
  std::vector<Group> groups;
  for (const auto& record : records) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& known) {
      return std::tie(known.stream, known.model, known.build, known.device_class) ==
             std::tie(record.stream, record.model, record.key.build, record.key.device_class);
    });
    if (group == groups.end()) {
      group = groups.insert(
          groups.end(),
          {record.stream, record.model, record.key.build, record.key.device_class, {}});
    }
    group->trials.push_back(&record);
  }
  return groups;
}

// Cells over seeds by position; the names of the first seed's tasks, or "task 1".. where orders
// differ.
MeanMatrix mean_matrix(const MethodTrials& method, const MetricInfo& metric) {
  MeanMatrix matrix;
  matrix.metric = metric.name;
  matrix.unit = metric.unit;
  matrix.higher_is_better = metric.higher_is_better;
  std::map<int64_t, std::map<int64_t, std::vector<double>>> scores;
  int64_t columns = 0;
  int64_t stages = 0;
  for (const auto& [seed, trial] : method.done) {
    const RMatrix r = rmatrix_of(trial->result, metric.name);
    if (columns == 0) matrix.tasks = r.tasks;
    columns = std::max(columns, r.columns());
    stages = std::max(stages, r.stages());
    for (size_t column = 0; matrix.tasks != r.tasks && column < r.tasks.size(); ++column) {
      matrix.tasks.resize(columns);
      matrix.tasks[column] = fmt::format("task {}", r.learned[column]);
    }
    for (int64_t stage = -1; stage <= r.stages(); ++stage) {
      for (int64_t column = 0; column < r.columns(); ++column) {
        if (const Cell cell = r.at(stage, column)) scores[stage][column].push_back(*cell);
      }
    }
  }
  for (int64_t stage = scores.contains(-1) ? -1 : 0; stage <= stages; ++stage) {
    for (int64_t column = 0; column < columns; ++column) {
      const Summary cell = summarise(scores[stage][column]);
      matrix.cells[stage].push_back(cell);
      matrix.rows[stage].push_back(cell.n > 0 ? Cell(cell.mean) : std::nullopt);
    }
  }
  return matrix;
}

// The probes of the matrix's metric, in order of first appearance.
void add_probe_columns(const MethodTrials& method, MeanMatrix& matrix) {
  std::map<int64_t, std::map<std::string, std::vector<double>>> scores;
  for (const auto& [seed, trial] : method.done) {
    for (const Evaluation& e : trial->result.evaluations) {
      if (e.on_task != 0 || e.within_task || e.metric.name != matrix.metric) continue;
      if (std::find(matrix.probes.begin(), matrix.probes.end(), e.task) == matrix.probes.end()) {
        matrix.probes.push_back(e.task);
      }
      auto& cell = scores[e.after_task][e.task];
      if (e.total > 0 && std::isfinite(e.score())) cell.push_back(e.score());
    }
  }
  for (auto& [stage, by_probe] : scores) {
    for (const std::string& probe : matrix.probes) {
      const Summary cell = summarise(by_probe[probe]);
      matrix.probe_rows[stage].push_back(cell.n > 0 ? Cell(cell.mean) : std::nullopt);
    }
  }
}

std::vector<MeanMatrix> matrices_of(const MethodTrials& method, const MeasuredIn& measured) {
  std::vector<MeanMatrix> matrices;
  for (const auto& metric : measured.tasks) {
    MeanMatrix matrix = mean_matrix(method, metric);
    if (matrix.tasks.empty()) continue;
    add_probe_columns(method, matrix);
    matrices.push_back(std::move(matrix));
  }
  for (const auto& metric : measured.probes) {
    const auto same = [&](const MetricInfo& task) { return task.name == metric.name; };
    if (std::any_of(measured.tasks.begin(), measured.tasks.end(), same)) continue;
    MeanMatrix matrix;
    matrix.metric = metric.name;
    matrix.unit = metric.unit;
    matrix.higher_is_better = metric.higher_is_better;
    add_probe_columns(method, matrix);
    if (!matrix.probes.empty()) matrices.push_back(std::move(matrix));
  }
  return matrices;
}

std::vector<double> values_of(const BySeed& by_seed) {
  std::vector<double> values;
  for (const auto& [seed, value] : by_seed) values.push_back(value);
  return values;
}

Numbers numbers_by_seed(const MethodTrials& method, const MeasuredIn& measured) {
  Numbers numbers;
  for (const auto& [seed, trial] : method.done) {
    for (const auto& [key, value] : numbers_of(trial->result, measured)) numbers[key][seed] = value;
  }
  return numbers;
}

MetricCell metric_cell(const BySeed& own, const BySeed* finetune) {
  MetricCell cell;
  cell.over_seeds = summarise(values_of(own));
  cell.by_seed = own;
  if (finetune == nullptr) return cell;
  const Summary difference = paired_difference(own, *finetune);
  if (difference.n > 0) cell.minus_finetune = difference;
  return cell;
}

void take_samples(const MethodTrials& method, MethodRow& row) {
  for (const auto& [seed, trial] : method.done) {
    const auto& samples = trial->result.samples;
    const auto shown = choose_samples(samples, 1);  // the most telling row of each task
    const bool lost = std::any_of(shown.begin(), shown.end(), [](const SampleHistory& history) {
      return history.fate == Fate::learned_and_lost;
    });
    if (!row.samples.empty() && !lost) continue;
    row.samples = samples;
    row.sample_seed = seed;
    if (lost) return;
  }
}

MethodRow method_row(const MethodTrials& method, const Numbers& numbers, const Numbers& finetune,
                     const MeasuredIn& measured) {
  MethodRow row;
  row.label = method.label;
  row.seeds = static_cast<int64_t>(method.done.size());
  row.failed = static_cast<int64_t>(method.failed.size());
  for (const auto& [key, by_seed] : numbers) {
    const auto other = finetune.find(key);
    const bool paired = method.label != "finetune" && other != finetune.end();
    row.metrics[key] = metric_cell(by_seed, paired ? &other->second : nullptr);
  }
  row.matrices = matrices_of(method, measured);
  if (!method.done.empty()) row.usage = method.done.begin()->second->result.usage;
  take_samples(method, row);
  for (const auto& [seed, trial] : method.done) {
    row.jobs.insert(trial->environment.jobs);
    for (const std::string& note : trial->result.notes) {
      if (note.starts_with(kTrainedWith)) row.trained_with.insert(note);
    }
    const std::string trained = trained_as(trial->key.text, trial->result.task_names.size());
    if (!trained.empty()) row.trained_as.insert(trained);
  }
  for (const auto& [seed, trial] : method.failed) {
    row.errors.push_back(fmt::format("seed {}: {}", seed, trial->error));
  }
  return row;
}

Comparison make_comparison(const Group& group) {
  Comparison comparison;
  comparison.stream = group.stream;
  comparison.model = group.model;
  comparison.build = group.build;
  comparison.device_class = group.device_class;
  comparison.environment = group.trials.front()->environment;
  const std::string& text = group.trials.front()->key.text;
  comparison.stream_options = canonical_options(text, "stream.");
  comparison.on_validation_rows = canonical_options(text, "train.")["evaluate"] == "validation";
  const auto methods = group_by_method(group.trials, comparison.notes);
  Trials done;
  for (const auto& method : methods) {
    for (const auto& [seed, trial] : method.done) done.push_back(trial);
  }
  if (!done.empty()) comparison.environment = done.front()->environment;
  const MeasuredIn measured = measured_in(done);
  std::map<std::string, Numbers> numbers;  // by label
  for (const auto& method : methods) numbers[method.label] = numbers_by_seed(method, measured);
  std::set<std::string> keys;
  for (const auto& method : methods) {
    comparison.methods.push_back(
        method_row(method, numbers[method.label], numbers["finetune"], measured));
    for (const auto& [key, by_seed] : numbers[method.label]) keys.insert(key);
  }
  for (auto& doc : docs_for(measured)) {
    if (keys.contains(doc.key)) comparison.docs.push_back(std::move(doc));
  }
  add_notes(methods, comparison);
  return comparison;
}

}  // namespace

const MetricCell* cell_of(const Comparison& comparison, const std::string& label,
                          const std::string& metric) {
  for (const MethodRow& row : comparison.methods) {
    if (row.label != label) continue;
    const auto cell = row.metrics.find(metric);
    const bool there = cell != row.metrics.end() && cell->second.over_seeds.n > 0;
    return there ? &cell->second : nullptr;
  }
  return nullptr;
}

MetricDoc doc_of(const Comparison& comparison, const std::string& metric) {
  for (const MetricDoc& doc : comparison.docs) {
    if (doc.key == metric) return doc;
  }
  MetricDoc found;
  found.key = found.title = metric;
  for (const MetricDoc& doc : metric_docs()) {
    if (doc.key == metric.substr(0, metric.find(':'))) found = doc;
  }
  found.key = metric;
  return found;
}

std::vector<Comparison> compare(const std::vector<TrialRecord>& records) {
  std::vector<Comparison> comparisons;
  for (const auto& group : group_trials(records)) comparisons.push_back(make_comparison(group));
  add_titles(comparisons);
  return comparisons;
}

}  // namespace lethe
