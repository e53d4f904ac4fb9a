// What a search runs.
#include <algorithm>

#include "analysis/comparison.h"
#include "core/error.h"
#include "core/seeds.h"
#include "experiments/tune.h"

namespace lethe {
namespace {

std::string list_of(const std::vector<int64_t>& seeds) {
  return fmt::format("{}", fmt::join(seeds, ", "));
}

int64_t unreported_seed(const std::vector<int64_t>& seeds) {
  int64_t seed = 0;
  while (std::count(seeds.begin(), seeds.end(), seed) > 0) ++seed;
  return seed;
}

/// Tasks that differ in metric have "final_average:loss" and the like.
void check_objective(const Sweep& sweep, const std::string& objective, int64_t line) {
  const std::string key = objective.substr(0, objective.find(':'));
  std::vector<std::string> known;
  for (const MetricDoc& doc : metric_docs()) known.push_back(doc.key);
  if (std::count(known.begin(), known.end(), key) > 0) return;
  fail_at(sweep, line,
          fmt::format("unknown objective '{}'; known objectives: {}", objective,
                      fmt::join(known, ", ")));
}

TuneSettings settings_of(const Sweep& sweep, const TuneRequest& request) {
  const TuneSection& section = sweep.tune;
  TuneSettings settings;
  settings.search = request.search.value_or(section.search.empty() ? "grid" : section.search);
  settings.budget = request.budget.value_or(section.budget.value_or(0));
  if (settings.search == "random" && settings.budget == 0) {
    fail(
        "a random search needs a budget; give --budget N, the candidates of a method, or budget in "
        "[tune]");
  }
  settings.seed = request.seed.value_or(section.seed.value_or(unreported_seed(sweep.all_seeds())));
  const std::vector<int64_t> reported = sweep.all_seeds();
  if (std::count(reported.begin(), reported.end(), settings.seed) > 0) {
    fail_at(sweep, request.seed ? 0 : section.seed_line,
            fmt::format("the search's seed {} is one of the sweep's seeds {}, which are reported; "
                        "search on another",
                        settings.seed, list_of(reported)));
  }
  if (request.objective) {
    settings.objective = *request.objective;
    check_objective(sweep, settings.objective, 0);
  } else if (!section.objective.empty()) {
    settings.objective = section.objective;
    check_objective(sweep, settings.objective, section.objective_line);
  }
  return settings;
}

void refuse_grid(const Sweep& sweep, const Grid& grid, const std::string& where) {
  for (const auto& [key, option] : grid) {
    if (option.values.size() == 1) continue;
    fail_at(sweep, option.line,
            fmt::format("'{}' of {} has {} values, and a search chooses for one; put it under "
                        "'tune.', or tune once for each value with --set",
                        key, where, option.values.size()));
  }
}

/// Spaces by full key, and no fixed value beside a space.
void bring_to_full_keys(const Sweep& sweep, SweepMethod& method, const StrategyRegistry& registry) {
  SearchSpaces full;
  for (const auto& [key, space] : method.tune) {
    const std::string whole = full_key(method, key, registry);
    if (full.count(whole) > 0) {
      fail_at(sweep, space.line,
              fmt::format("'tune.{}' of '{}' stands there twice, also as 'tune.{}'; keep one", key,
                          method.name, whole));
    }
    full[whole] = space;
    std::erase_if(method.options, [&](const auto& option) {
      return full_key(method, option.first, registry) == whole;
    });
  }
  method.tune = std::move(full);
  refuse_grid(sweep, method.options, "'" + method.name + "', which has search spaces,");
}

class Planning {
 public:
  Planning(const Sweep& sweep, const TuneRequest& request, const StrategyRegistry& registry)
      : registry_(registry) {
    plan_.sweep = sweep;
    plan_.settings = settings_of(sweep, request);
  }

  TunePlan plan() {
    expand(plan_.sweep, registry_);  // what has no space is checked here
    Sweep search = searched();
    for (size_t index = 0; index < plan_.sweep.methods.size(); ++index) {
      SweepMethod& method = plan_.sweep.methods[index];
      if (method.tune.empty()) continue;
      bring_to_full_keys(plan_.sweep, method, registry_);
      for (const OptionMap& values : candidates(method)) {
        search.methods.push_back(candidate_of(method, values));
        tried_.emplace_back(index, values);
      }
    }
    if (tried_.empty()) {
      fail(
          "{}: no method has a search space; add e.g. tune.ewc.lambda = [1, 10, 100] to a "
          "[[method]]",
          plan_.sweep.path);
    }
    for (const Trial& trial : expand(search, registry_)) add(trial);
    return std::move(plan_);
  }

 private:
  /// The sweep of the search, still without methods.
  Sweep searched() {
    refuse_grid(plan_.sweep, plan_.sweep.training, "[train]");
    refuse_grid(plan_.sweep, plan_.sweep.model_options, "[model]");
    Sweep search = plan_.sweep;
    search.name += ".tune";
    search.seeds = {plan_.settings.seed};
    search.extra.clear();
    search.training["evaluate"] = {{"validation"}, 0};
    search.methods.clear();
    return search;
  }

  std::vector<OptionMap> candidates(const SweepMethod& method) {
    const auto budget = plan_.settings.budget;
    const double count = candidate_count(method.tune);
    if (plan_.settings.search == "random") {
      // By name, so that a method's candidates do not depend on the others'.
      const uint64_t seed = seed_for(plan_.settings.seed, "tune " + method.shown());
      const auto drawn = random_candidates(method.tune, budget, seed);
      if (static_cast<int64_t>(drawn.size()) < budget) {
        plan_.notes.push_back(fmt::format("'{}' has {} candidates, fewer than the budget of {}",
                                          method.shown(), drawn.size(), budget));
      }
      return drawn;
    }
    try {
      if (budget == 0 || count <= static_cast<double>(budget)) return grid_candidates(method.tune);
    } catch (const Error& error) {
      fail_at(plan_.sweep, method.line, error.what());
    }
    fail_at(plan_.sweep, method.line,
            fmt::format("the grid of '{}' has {} candidates, above the budget of {}; raise the "
                        "budget, shorten its lists, or search with --search random",
                        method.shown(), count, budget));
  }

  static SweepMethod candidate_of(const SweepMethod& method, const OptionMap& values) {
    SweepMethod candidate = method;
    candidate.label = method.shown();
    candidate.options.erase("train.evaluate");
    for (const auto& [key, value] : values) {
      candidate.options[key] = {{value}, method.tune.at(key).line};
      candidate.label += fmt::format(" {}={}", key, value);
    }
    candidate.tune.clear();
    return candidate;
  }

  void add(const Trial& trial) {
    const auto& [method, values] = tried_.at(static_cast<size_t>(trial.position) - 1);
    OptionMap stream;
    for (const auto& [key, option] : plan_.sweep.stream_options) {
      if (option.values.size() == 1) continue;
      const auto said = trial.spec.stream.options.find(key);  // a pad of 0 stands in no text
      const bool is_said = said != trial.spec.stream.options.end();
      stream[key] = is_said ? said->second : trial.stream.options.at(key);
    }
    plan_.trials.push_back({trial, method, values, std::move(stream)});
  }

  const StrategyRegistry& registry_;
  TunePlan plan_;
  std::vector<std::pair<size_t, OptionMap>> tried_;  // by position: method, candidate
};

}  // namespace

TunePlan plan_tuning(const Sweep& sweep, const TuneRequest& request,
                     const StrategyRegistry& registry) {
  return Planning(sweep, request, registry).plan();
}

}  // namespace lethe
