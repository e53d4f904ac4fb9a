// Sweep files: a set of trials as TOML.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/registry.h"
#include "experiments/streams/streams.h"

namespace lethe {

/// One trial of a sweep, and what a worker needs to run it.
struct Trial {
  TrialSpec spec;
  std::string sweep, label, stream_label, model_label;
  int64_t position = 0;  ///< of the method in the sweep
  StreamRequest stream;  ///< with paths
};

/// Option values as a sweep gives them; several values span a grid.
struct GridOption {
  std::vector<std::string> values;
  int64_t line = 0;
};
using Grid = std::map<std::string, GridOption>;

struct SweepMethod {
  std::string name, label;
  Grid options;  ///< "ewc.lambda", "lambda", "train.lr", "model.base"
  Grid when;     ///< stream options under which the entry counts
  int64_t line = 0;
};

struct Sweep {
  std::string path, name;
  std::vector<int64_t> seeds = {1};
  std::string stream = "instructions", model = "decoder";
  int64_t stream_line = 0, model_line = 0;
  Grid stream_options, model_options, training;
  std::vector<TextTaskSpec> texts;
  std::vector<SweepMethod> methods;
};

/// Throws Error with FILE:LINE for bad TOML, unknown keys (listing the known ones) and values of
/// the wrong type.
Sweep parse_sweep(const std::string& text, const std::string& path);
Sweep read_sweep(const std::string& path);

/// The sweep changed by "seeds=1,2", "train.steps=50", "method.ewc.lambda=3", ... A strategy's
/// option reaches every method that has the strategy, under its name or an alias, and takes the
/// place of the one in the file, however that is written. Throws Error naming the override.
Sweep with_overrides(Sweep sweep, const std::vector<std::string>& overrides,
                     const StrategyRegistry& registry);

/// All trials, each once, in the order stream, model, training, method, seed. Checks every option.
std::vector<Trial> expand(const Sweep& sweep, const StrategyRegistry& registry);

}  // namespace lethe
