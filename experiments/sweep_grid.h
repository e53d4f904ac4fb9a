// Grids of option values: every combination of them, and checks that know their lines.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "experiments/sweep.h"

namespace lethe {

/// One value an option, and the text of those that vary ("lambda=10").
struct Combination {
  OptionMap options;
  std::string varying;
};

/// Every combination of the options' values, the last option varying fastest.
std::vector<Combination> combinations(const Grid& grid);

/// Takes "lr" out of `options` for every "train.lr" where `prefix` is "train.".
OptionMap take(OptionMap& options, const std::string& prefix);

/// Sets every option of `over` in `base`.
void overlay(OptionMap& base, const OptionMap& over);

/// Whether each option of `when` has one of its values in `stream`.
bool holds(const Grid& when, const OptionMap& stream);

/// Runs `check`, with FILE:LINE before the message of what it throws.
void at_line(const Sweep& sweep, int64_t line, const std::function<void()>& check);

/// Throws Error for a key that `docs` does not have, at its own line.
void check_names(const Sweep& sweep, const std::string& section, const Grid& grid,
                 const std::vector<OptionDoc>& docs);

/// Gives `complete` every value by itself, so that what it throws has the line of that option.
void check_values(const Sweep& sweep, const Grid& grid,
                  const std::function<void(const OptionMap&)>& complete);

/// The request that the sweep makes of its stream under these options.
StreamRequest request_for(const Sweep& sweep, const OptionMap& options);

/// Throws Error with FILE:LINE for every name and value that no combination could have.
void check_sweep(const Sweep& sweep, const StrategyRegistry& registry);

}  // namespace lethe
