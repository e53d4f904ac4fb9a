#include "analysis/report_document.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "analysis/report_findings.h"
#include "analysis/report_numbers.h"
#include "analysis/report_tables.h"
#include "analysis/report_text.h"
#include "analysis/trained_as.h"

namespace lethe {
namespace {

constexpr size_t kSamplesPerTask = 2;

void append(Blocks& to, Blocks from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

Facts what_was_run(const Comparison& c) {
  const Environment& e = c.environment;
  Facts facts;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts.pairs.emplace_back(name, value);
  };
  add("Stream", c.stream);
  add("Model", c.model);
  add("Training", training_of(c));
  add("Device", e.device.empty() || e.device == c.device_class
                    ? c.device_class
                    : c.device_class + " (" + e.device + ")");
  add("CPU", e.cpu_capability.empty() ? e.cpu : e.cpu + " (" + e.cpu_capability + ")");
  add("Threads per trial", std::to_string(e.threads));
  std::set<int64_t> jobs;
  for (const MethodRow& method : c.methods) jobs.insert(method.jobs.begin(), method.jobs.end());
  if (jobs.empty()) jobs = {e.jobs};
  add("Jobs at a time", fmt::format("{}", fmt::join(jobs, ", ")));
  add("Build", c.build.substr(0, 16));
  add("libtorch", e.libtorch);
  add("Compiler", e.compiler);
  add("Commit", e.git_commit);
  return facts;
}

Blocks notes_section(const Comparison& c) {
  Bullets bullets{c.notes};
  // The notes name failures too, with "seed 3 failed: what" where the error has "seed 3: what".
  const auto told = [&](const std::string& label, const std::string& error) {
    const size_t colon = error.find(": ");
    const std::string what = colon == std::string::npos ? error : error.substr(colon + 2);
    return std::any_of(c.notes.begin(), c.notes.end(), [&](const std::string& note) {
      return note.rfind(label + ": ", 0) == 0 && note.find(what) != std::string::npos;
    });
  };
  for (const MethodRow& method : c.methods) {
    for (const std::string& error : method.errors) {
      if (!told(method.label, error)) bullets.items.push_back(method.label + ": " + error);
    }
  }
  if (bullets.items.empty()) return {};
  return {Heading{3, "Notes"}, bullets};
}

Blocks sample_section(const Comparison& c) {
  Blocks blocks;
  for (const MethodRow& method : c.methods) {
    if (method.samples.empty()) continue;
    blocks.push_back(SampleBlock{method.label, method.sample_seed, stream_tasks(method),
                                 choose_samples(method.samples, kSamplesPerTask)});
  }
  if (blocks.empty()) return {};
  Blocks section = {
      Heading{3, "Samples"},
      Paragraph{"What each method generated before and after the tasks, in one seed: the smallest "
                "with a row that was learned and then lost, else the smallest. Such rows come "
                "first."}};
  append(section, std::move(blocks));
  return section;
}

}  // namespace

std::vector<MetricDoc> metrics_present(const Comparison& comparison,
                                       const std::vector<MetricDoc>& docs) {
  std::map<std::string, bool> seen;  // by key: whether a doc has named it
  for (const MethodRow& method : comparison.methods) {
    for (const auto& [key, cell] : method.metrics) {
      if (cell.over_seeds.n > 0) seen.emplace(key, false);
    }
  }
  std::vector<MetricDoc> present;
  for (const std::vector<MetricDoc>* list : {&comparison.docs, &docs}) {
    for (const MetricDoc& doc : *list) {
      const auto found = seen.find(doc.key);
      if (found == seen.end() || found->second) continue;
      found->second = true;
      present.push_back(doc);
    }
  }
  for (const auto& [key, documented] : seen) {
    if (documented) continue;
    MetricDoc doc;
    doc.key = doc.title = key;
    present.push_back(doc);
  }
  return present;
}

std::vector<std::string> stream_tasks(const MethodRow& method) {
  for (const MeanMatrix& matrix : method.matrices) {
    const int64_t last = matrix.rows.empty() ? 0 : matrix.rows.rbegin()->first;
    if (static_cast<int64_t>(matrix.tasks.size()) == last) return matrix.tasks;
  }
  return {};
}

std::string stage_name(int64_t after_task, const std::vector<std::string>& tasks) {
  if (after_task < 0) return "random initialisation";
  if (after_task == 0) return "before";
  if (after_task > static_cast<int64_t>(tasks.size()))
    return fmt::format("after task {}", after_task);
  return fmt::format("after task {} ({})", after_task, tasks[static_cast<size_t>(after_task - 1)]);
}

std::string sample_title(const SampleBlock& block, const SampleHistory& history) {
  const size_t task = static_cast<size_t>(history.on_task - 1);
  const std::string name = task < block.tasks.size() ? " (" + block.tasks[task] + ")" : "";
  return fmt::format("Task {}{}, row {}: {}", history.on_task, name, history.row,
                     fate_text(history.fate));
}

Blocks definitions(const std::vector<Comparison>& comparisons, const std::vector<MetricDoc>& docs) {
  std::vector<MetricDoc> shown;
  for (const Comparison& comparison : comparisons) {
    for (const MetricDoc& doc : metrics_present(comparison, docs)) {
      const bool known = std::any_of(shown.begin(), shown.end(), [&](const MetricDoc& other) {
        return other.key == doc.key && other.unit == doc.unit;
      });
      if (!known) shown.push_back(doc);
    }
  }
  Table table{.head = {"Metric", "Key", "Unit", "Better", "Definition", "Source"}};
  table.labels = 6;
  table.prose = true;
  for (const MetricDoc& doc : shown) {
    table.rows.push_back({{doc.title},
                          {doc.key},
                          {shown_unit(doc.unit).name},
                          {doc.higher_is_better ? "higher" : "lower"},
                          {doc.definition},
                          {doc.source}});
  }
  return {
      Heading{2, "Definitions"},
      Paragraph{"Intervals are 95 % Student-t intervals over seeds: mean ± t(n - 1, 0.975) s / √n. "
                "Differences to finetune are taken within a seed and then averaged. A dash means: "
                "not measured or not defined."},
      table};
}

Blocks sections(const Comparison& comparison, const std::vector<MetricDoc>& docs, bool figures,
                const std::vector<std::string>& wanted) {
  const std::vector<MetricDoc> present = metrics_present(comparison, docs);
  Blocks blocks;
  const auto add = [&](const char* name, const auto& section) {
    if (is_wanted(name, wanted)) append(blocks, section());
  };
  add("run", [&] { return Blocks{Heading{3, "What was run"}, what_was_run(comparison)}; });
  add("notes", [&] { return notes_section(comparison); });
  add("beside", [&] { return reference_section(comparison); });
  add("relations", [&] { return relation_section(comparison); });
  add("scores", [&] { return score_section(comparison, present); });
  add("formats", [&] { return format_section(comparison, present); });
  if (figures) add("figures", [&] { return figure_section(comparison, present); });
  add("matrices", [&] { return matrix_section(comparison); });
  add("transfer", [&] { return transfer_section(comparison, present); });
  add("base", [&] { return base_section(comparison, present); });
  add("memory", [&] { return memory_section(comparison, present); });
  add("time", [&] { return time_section(comparison, present); });
  add("samples", [&] { return sample_section(comparison); });
  return blocks;
}

}  // namespace lethe
