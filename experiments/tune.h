// Choosing options by search, on a seed and on rows that no report is made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep.h"

namespace lethe {

/// What the command line says; it goes before the sweep's [tune]. Empty = not given.
struct TuneRequest {
  std::optional<std::string> search, objective;
  std::optional<int64_t> seed, budget;
};

struct TuneSettings {
  std::string search = "grid";  ///< or "random"
  std::string objective = "final_average";
  int64_t seed = 0;
  int64_t budget = 0;  ///< candidates of a method at most; 0 = the whole grid
};

/// How many candidates the spaces have; infinite where one is a range of real numbers.
double candidate_count(const SearchSpaces& spaces);

/// Every combination of the spaces' values, the last option's fastest. Throws Error for a range.
std::vector<OptionMap> grid_candidates(const SearchSpaces& spaces);

/// `budget` different combinations, each drawn from `seed` alone; all, where there are fewer. Real
/// numbers have three significant digits.
std::vector<OptionMap> random_candidates(const SearchSpaces& spaces, int64_t budget, uint64_t seed);

/// One trial of the search.
struct TuneTrial {
  Trial trial;
  size_t method = 0;  ///< in TunePlan::sweep.methods
  OptionMap values;   ///< of the candidate, by full key
  OptionMap stream;   ///< the stream's options that the sweep gives several values
};

struct TunePlan {
  Sweep sweep;  ///< as given; spaces by full key
  TuneSettings settings;
  std::vector<TuneTrial> trials;
  std::vector<std::string> notes;
};

/// The trials of sweep "NAME.tune": every candidate of every method with a search space, on every
/// stream, under one seed, scored on validation rows. Throws Error, with FILE:LINE where there is
/// one, for a seed that is reported, an unknown objective, a grid above the budget, no space at
/// all, an option with a space and more values beside it.
TunePlan plan_tuning(const Sweep& sweep, const TuneRequest& request,
                     const StrategyRegistry& registry);

/// What became of a candidate.
struct Tried {
  OptionMap values;
  std::string digest;
  std::optional<double> score;  ///< of the objective, always finite
  std::string why;              ///< there is no score
};

/// One method on one stream.
struct Choice {
  size_t method = 0;
  std::string label;  ///< "ewc | split scenario=task"
  OptionMap stream;
  bool higher_is_better = true;
  std::vector<Tried> tried;
  std::optional<size_t> best;  ///< the first of the best; nothing where no candidate has a score
};

/// The choices, methods in the sweep's order, from the store's records of the plan's trials.
std::vector<Choice> choices_of(const TunePlan& plan, const std::vector<TrialRecord>& records);

/// A line for the whole and one for each candidate, the chosen one marked.
std::vector<std::string> lines_of(const Choice& choice, const TuneSettings& settings);

/// The sweep as TOML with the chosen values, and in comments how they were chosen. Relative paths
/// start at `folder`, where the text will stand. Every choice has a best candidate.
std::string tuned_sweep(const TunePlan& plan, const std::vector<Choice>& choices,
                        const std::string& folder);

}  // namespace lethe
