#include "analysis/comparison_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>

namespace lethe {
namespace {

using Seeds = std::set<int64_t>;

std::string seeds_text(const Seeds& seeds) {
  return fmt::format("seed{} {}", seeds.size() == 1 ? "" : "s", fmt::join(seeds, ", "));
}

Seeds all_seeds(const std::vector<MethodTrials>& methods) {
  Seeds seeds;
  for (const auto& method : methods) {
    for (const auto& [seed, trial] : method.done) seeds.insert(seed);
  }
  return seeds;
}

void note_failures(const MethodTrials& method, std::vector<std::string>& notes) {
  for (const auto& [seed, trial] : method.failed) {
    notes.push_back(fmt::format("{}: seed {} failed: {}", method.label, seed, trial->error));
  }
  if (method.unfinished > 0) {
    notes.push_back(fmt::format("{}: {} trial{} not finished", method.label, method.unfinished,
                                method.unfinished == 1 ? "" : "s"));
  }
}

void note_seeds(const MethodTrials& method, const Seeds& all, std::vector<std::string>& notes) {
  Seeds missing;
  for (int64_t seed : all) {
    if (!method.done.contains(seed)) missing.insert(seed);
  }
  if (!missing.empty()) {
    notes.push_back(fmt::format("{}: no result for {}, which other methods have", method.label,
                                seeds_text(missing)));
  }
  if (method.done.size() == 1) {
    notes.push_back(fmt::format("{}: one seed, hence no interval", method.label));
  }
}

void note_gaps(const Comparison& comparison, std::vector<std::string>& notes) {
  for (const auto& row : comparison.methods) {
    for (const auto& doc : comparison.docs) {
      const auto cell = row.metrics.find(doc.key);
      if (cell == row.metrics.end() || cell->second.over_seeds.n == row.seeds) continue;
      notes.push_back(fmt::format("{}: {} is defined for {} of {} seeds", row.label, doc.key,
                                  cell->second.over_seeds.n, row.seeds));
    }
  }
}

void note_environments(const std::vector<MethodTrials>& methods, std::vector<std::string>& notes) {
  std::set<std::tuple<std::string, std::string, int64_t, int64_t>> environments;
  for (const auto& method : methods) {
    for (const auto& [seed, trial] : method.done) {
      const Environment& where = trial->environment;
      environments.insert({where.device, where.cpu, where.threads, where.jobs});
    }
  }
  if (environments.size() < 2) return;
  std::string text = "times are not comparable across all trials, which ran under:";
  for (const auto& [device, cpu, threads, jobs] : environments) {
    text += fmt::format(" [{}; {}; threads {}; jobs {}]", device, cpu, threads, jobs);
  }
  notes.push_back(text);
}

// What trials noted, as of the rows of their streams, each once.
void note_rows(const std::vector<MethodTrials>& methods, std::vector<std::string>& notes) {
  for (const auto& method : methods) {
    for (const auto& [seed, trial] : method.done) {
      for (const std::string& note : trial->result.notes) {
        if (note.starts_with(kTrainedWith)) continue;  // the memory section's
        if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
      }
    }
  }
}

std::string form_text(const PenaltyForm& form) {
  std::string text = form.importance;
  if (!form.divisor.empty()) text += ", divisor " + form.divisor;
  text += form.half ? ", with the half" : ", without a half";
  return text + ", anchor: " + form.anchor;
}

/// Under each strategy, what its strength multiplies, and the methods where it does.
using Forms = std::map<std::string, std::map<std::string, std::vector<std::string>>>;

Forms forms_of(const std::vector<MethodTrials>& methods) {
  Forms forms;
  for (const auto& method : methods) {
    for (const auto& [seed, trial] : method.done) {
      for (const PenaltyForm& form : trial->result.penalties) {
        auto& labels = forms[form.strategy][form_text(form)];
        if (labels.empty() || labels.back() != method.label) labels.push_back(method.label);
      }
    }
  }
  return forms;
}

/// What every strength means; where one strategy's differ, that they can't be compared.
void note_penalties(const std::vector<MethodTrials>& methods, std::vector<std::string>& notes) {
  for (const auto& [strategy, texts] : forms_of(methods)) {
    if (texts.size() == 1) {
      notes.push_back(
          fmt::format("the strength of {} multiplies: {}", strategy, texts.begin()->first));
      continue;
    }
    std::string note = fmt::format(
        "strengths of {} are not comparable, they multiply different things:", strategy);
    for (const auto& [text, labels] : texts) {
      note += fmt::format(" [{}: {}]", fmt::join(labels, ", "), text);
    }
    notes.push_back(note);
  }
}

}  // namespace

void add_notes(const std::vector<MethodTrials>& methods, Comparison& comparison) {
  auto& notes = comparison.notes;
  const Seeds all = all_seeds(methods);
  bool has_finetune = false;
  for (const auto& method : methods) {
    note_failures(method, notes);
    note_seeds(method, all, notes);
    has_finetune = has_finetune || (method.label == "finetune" && !method.done.empty());
  }
  if (!has_finetune) notes.push_back("no finished trial of finetune, hence no paired differences");
  note_gaps(comparison, notes);
  note_environments(methods, notes);
  note_rows(methods, notes);
  note_penalties(methods, notes);
}

void add_titles(std::vector<Comparison>& comparisons) {
  std::set<std::string> builds;
  std::set<std::string> devices;
  for (const auto& comparison : comparisons) {
    builds.insert(comparison.build);
    devices.insert(comparison.device_class);
  }
  for (auto& comparison : comparisons) {
    comparison.title = comparison.stream + " with " + comparison.model;
    if (devices.size() > 1) comparison.title += " on " + comparison.device_class;
    if (builds.size() < 2) continue;
    comparison.title += ", build " + comparison.build.substr(0, 8);
    comparison.notes.push_back(
        fmt::format("results of {} builds are present, each compared apart: {}", builds.size(),
                    fmt::join(builds, ", ")));
  }
}

}  // namespace lethe
