#include "analysis/method_trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

namespace lethe {
namespace {

using TrialFacts = std::set<std::string>;
using Trials = std::vector<const TrialRecord*>;

// The lines of a trial's canonical text but for its seed: equal for the trials of one setting.
TrialFacts facts_of(const TrialRecord& trial) {
  TrialFacts facts;
  std::istringstream text(trial.key.text);
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && !line.starts_with("seed = ")) facts.insert(line);
  }
  return facts;
}

std::string facts_missing_in(const TrialFacts& facts, const TrialFacts& other) {
  std::string missing;
  for (const auto& fact : facts) {
    if (!other.contains(fact)) missing += (missing.empty() ? "" : ", ") + fact;
  }
  return missing.empty() ? "nothing more" : missing;
}

std::string difference(const TrialFacts& facts, const TrialFacts& newest) {
  return facts_missing_in(facts, newest) + " instead of " + facts_missing_in(newest, facts);
}

bool has_conflict(const Trials& trials) {
  std::map<int64_t, TrialFacts> by_seed;
  return std::any_of(trials.begin(), trials.end(), [&](const TrialRecord* trial) {
    const auto [entry, is_new] = by_seed.emplace(trial->seed, facts_of(*trial));
    return !is_new && entry->second != facts_of(*trial);
  });
}

MethodTrials pooled(const std::string& label, const Trials& trials) {
  MethodTrials method;
  method.label = label;
  std::set<int64_t> unfinished;
  for (const TrialRecord* trial : trials) {
    if (trial->status == "done") {
      method.done[trial->seed] = trial;
    } else if (trial->status == "failed") {
      method.failed[trial->seed] = trial;
    } else {
      unfinished.insert(trial->seed);
    }
  }
  for (const auto& [seed, trial] : method.done) {
    method.failed.erase(seed);
    unfinished.erase(seed);
  }
  method.unfinished = static_cast<int64_t>(unfinished.size());
  return method;
}

// The trials of one label by setting, the one that appeared last first.
std::vector<std::pair<TrialFacts, Trials>> by_setting(const Trials& trials) {
  std::vector<std::pair<TrialFacts, Trials>> settings;
  for (auto trial = trials.rbegin(); trial != trials.rend(); ++trial) {
    const TrialFacts facts = facts_of(**trial);
    auto setting = std::find_if(settings.begin(), settings.end(),
                                [&](const auto& known) { return known.first == facts; });
    if (setting == settings.end()) setting = settings.insert(settings.end(), {facts, {}});
    setting->second.push_back(*trial);
  }
  return settings;
}

void add_label(const std::string& label, const Trials& trials, std::vector<MethodTrials>& methods,
               std::vector<std::string>& notes) {
  const auto settings = by_setting(trials);
  const TrialFacts& newest = settings.front().first;
  if (!has_conflict(trials)) {
    methods.push_back(pooled(label, trials));
    if (settings.size() > 1) {
      notes.push_back(fmt::format("{}: its seeds differ in more than the seed: {}", label,
                                  difference(settings[1].first, newest)));
    }
    return;
  }
  for (size_t i = 0; i < settings.size(); ++i) {
    const std::string own = i == 0   ? label
                            : i == 1 ? label + " (earlier)"
                                     : fmt::format("{} (earlier {})", label, i);
    methods.push_back(pooled(own, settings[i].second));
    if (i == 0) continue;
    notes.push_back(fmt::format("{}: trials of the label {} with other settings: {}", own, label,
                                difference(settings[i].first, newest)));
  }
}

}  // namespace

std::vector<MethodTrials> group_by_method(const std::vector<const TrialRecord*>& trials,
                                          std::vector<std::string>& notes) {
  std::vector<std::pair<std::string, Trials>> labels;
  for (const TrialRecord* trial : trials) {
    auto place = std::find_if(labels.begin(), labels.end(),
                              [&](const auto& known) { return known.first == trial->method; });
    if (place == labels.end()) place = labels.insert(labels.end(), {trial->method, {}});
    place->second.push_back(trial);
  }
  std::vector<MethodTrials> methods;
  for (const auto& [label, own] : labels) add_label(label, own, methods, notes);
  return methods;
}

}  // namespace lethe
