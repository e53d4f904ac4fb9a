// The candidates of a search.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "core/random.h"
#include "experiments/tune.h"

namespace lethe {
namespace {

/// Lists of so many combinations are numbered, and drawn without putting one back.
constexpr double kNumbered = 1e6;
/// Draws for one new candidate before the rest is taken for used up.
constexpr int kTries = 1000;

bool is_range(const SearchSpace& space) { return space.values.empty(); }

/// Combination `number` of the lists, the last option's value changing fastest.
OptionMap numbered(const SearchSpaces& spaces, int64_t number) {
  OptionMap candidate;
  for (auto space = spaces.rbegin(); space != spaces.rend(); ++space) {
    const auto count = static_cast<int64_t>(space->second.values.size());
    candidate[space->first] = space->second.values[static_cast<size_t>(number % count)];
    number /= count;
  }
  return candidate;
}

std::string drawn(const SearchSpace& space, Random& random) {
  if (!is_range(space)) {
    return space
        .values[static_cast<size_t>(random.below(static_cast<int64_t>(space.values.size())))];
  }
  // A whole number stands for the interval up to the next.
  const double end = space.whole ? space.to + 1 : space.to;
  const double part = random.uniform();
  const double value =
      space.log ? std::exp(std::log(space.from) + part * (std::log(end) - std::log(space.from)))
                : space.from + part * (end - space.from);
  const double rounded = space.whole ? std::floor(value) : std::stod(fmt::format("{:.2e}", value));
  const double inside = std::clamp(rounded, space.from, space.to);
  return space.whole ? fmt::format("{}", static_cast<int64_t>(inside)) : number_text(inside);
}

}  // namespace

double candidate_count(const SearchSpaces& spaces) {
  double count = 1;
  for (const auto& [key, space] : spaces) {
    if (!is_range(space)) {
      count *= static_cast<double>(space.values.size());
    } else {
      count *= space.whole ? space.to - space.from + 1 : std::numeric_limits<double>::infinity();
    }
  }
  return count;
}

std::vector<OptionMap> grid_candidates(const SearchSpaces& spaces) {
  for (const auto& [key, space] : spaces) {
    if (!is_range(space)) continue;
    fail("'tune.{}' is a range, which has no grid; give a list, or search with --search random",
         key);
  }
  const double count = candidate_count(spaces);
  if (count > kNumbered) {
    fail("the grid has {} candidates; shorten its lists, or search with --search random", count);
  }
  std::vector<OptionMap> all;
  for (int64_t number = 0; number < static_cast<int64_t>(count); ++number) {
    all.push_back(numbered(spaces, number));
  }
  return all;
}

std::vector<OptionMap> random_candidates(const SearchSpaces& spaces, int64_t budget,
                                         uint64_t seed) {
  Random random(seed);
  const double count = candidate_count(spaces);
  const auto wanted = static_cast<size_t>(std::min(count, static_cast<double>(budget)));
  std::vector<OptionMap> found;
  const bool ranges = std::any_of(spaces.begin(), spaces.end(),
                                  [](const auto& space) { return is_range(space.second); });
  if (!ranges && count <= kNumbered) {
    const auto order = permutation(static_cast<int64_t>(count), random);
    for (size_t i = 0; i < wanted; ++i) found.push_back(numbered(spaces, order[i]));
    return found;
  }
  std::set<OptionMap> seen;
  for (int tries = 0; found.size() < wanted && tries < kTries; ++tries) {
    OptionMap candidate;
    for (const auto& [key, space] : spaces) candidate[key] = drawn(space, random);
    if (!seen.insert(candidate).second) continue;
    found.push_back(std::move(candidate));
    tries = 0;
  }
  return found;
}

}  // namespace lethe
