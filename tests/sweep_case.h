// Sweeps as text, for the tests of what they stand for. Include tests/catch.h first.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "experiments/sweep.h"
#include "methods/methods.h"

namespace lethe {

/// The trials of a sweep in a file "s.toml".
inline std::vector<Trial> trials_of(const std::string& text,
                                    const std::vector<std::string>& overrides = {}) {
  return expand(with_overrides(parse_sweep(text, "s.toml"), overrides, builtin_methods()),
                builtin_methods());
}

/// What reading and expanding a sweep says.
inline std::string refusal(const std::string& text,
                           const std::vector<std::string>& overrides = {}) {
  try {
    return std::to_string(trials_of(text, overrides).size()) + " trials";
  } catch (const Error& error) {
    return error.what();
  }
}

inline std::vector<std::string> labels(const std::vector<Trial>& trials) {
  std::vector<std::string> found;
  for (const Trial& trial : trials) found.push_back(trial.label);
  return found;
}

/// An option of the trial's strategy `index`.
inline std::string option(const Trial& trial, size_t index, const std::string& name) {
  return trial.spec.method.at(index).options.at(name);
}

}  // namespace lethe
