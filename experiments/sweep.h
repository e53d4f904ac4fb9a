// Sweep files: a set of trials as TOML.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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
  bool keep = false;     ///< the values that it trains, in a file beside the store
  Part model;            ///< with a path, where spec.model has its digest
  /// Paths of the files that options of strategies name, by the SHA-256 that stands in the spec.
  std::map<std::string, std::string> files;
};

/// Option values as a sweep gives them; several values span a grid.
struct GridOption {
  std::vector<std::string> values;
  int64_t line = 0;
};
using Grid = std::map<std::string, GridOption>;

/// What `lethe tune` chooses an option from: some values, or a range.
struct SearchSpace {
  std::vector<std::string> values;  ///< empty for a range
  double from = 0, to = 0;
  bool log = false;
  bool whole = false;  ///< both ends are whole numbers, and so is what lies between
  int64_t line = 0;
};
using SearchSpaces = std::map<std::string, SearchSpace>;

struct SweepMethod {
  std::string name, label;
  const std::string& shown() const { return label.empty() ? name : label; }
  Grid options;       ///< "ewc.lambda", "lambda", "train.lr", "model.base"
  Grid when;          ///< stream options under which the entry counts
  SearchSpaces tune;  ///< by the option, without "tune."; trials do not depend on it
  int64_t line = 0;
};

/// The section [tune]. Empty = not given.
struct TuneSection {
  std::string search, objective;
  std::optional<int64_t> seed, budget;
  int64_t seed_line = 0, objective_line = 0;
};

/// More seeds, on the streams and for the methods that it names.
struct ExtraSeeds {
  std::vector<int64_t> seeds;
  Grid when;                         ///< stream options; empty = every stream
  std::vector<std::string> methods;  ///< labels, or names where there is none; empty = all
  int64_t line = 0;
};

struct Sweep {
  std::string path, name;
  std::vector<int64_t> seeds = {1};
  std::string stream = "instructions", model = "decoder";
  int64_t stream_line = 0, model_line = 0;
  Grid stream_options, model_options, training;
  std::vector<TextTaskSpec> texts, probes;
  std::vector<SweepMethod> methods;
  std::vector<ExtraSeeds> extra;
  TuneSection tune;
  bool keep = false;  ///< keep = "trained": every trial's trained values

  /// Every seed that a trial of the sweep can have, each once.
  std::vector<int64_t> all_seeds() const;
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

/// "lambda" as "ewc.lambda" where one strategy of the method alone has it; else `key` as it is.
std::string full_key(const SweepMethod& method, const std::string& key,
                     const StrategyRegistry& registry);

/// Throws Error(`what`) with FILE:LINE before it; without them for line 0, the command line.
[[noreturn]] void fail_at(const Sweep& sweep, int64_t line, const std::string& what);

/// The tokenizer of a model's rows, and what tells it from others in a trial's text.
struct ModelTokenizer {
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null = the built-in one
  std::string digest;                          ///< of its files; empty for the built-in one
};
using TokenizerOf = std::function<ModelTokenizer(const Part& model)>;

/// All trials, each once, in the order stream, model, training, method, seed. Checks every option.
/// Without `tokenizer_of` every model has the built-in tokenizer.
std::vector<Trial> expand(const Sweep& sweep, const StrategyRegistry& registry,
                          const TokenizerOf& tokenizer_of = {});

}  // namespace lethe
