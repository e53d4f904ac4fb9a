// The adapters that `lethe predict` puts on a model, and which row is read with which.
#pragma once

#include <string>
#include <vector>

#include "core/adapters/sets.h"
#include "core/trial.h"
#include "experiments/predict_rows.h"

namespace lethe {

/// The model outlives this.
class PredictAdapters {
 public:
  /// `given` are [NAME=]DIR; without NAME an adapter is called as its folder. `use` names the one
  /// for all rows; empty = the row's own, else the first. Throws Error for what is no adapter of
  /// the model, a name that is given twice, and a `use` that is none of them.
  PredictAdapters(Model& model, const Part& part, const std::vector<std::string>& given,
                  const std::string& use);

  /// The name of the row's adapter; empty where none were given. Throws Error naming the row and
  /// the known adapters for one that is none of them.
  std::string of(const PredictRow& row) const;
  /// Puts it in force; empty = the model alone.
  void activate(const std::string& name) { sets_.activate(name); }

 private:
  bool known(const std::string& name) const;

  AdapterSets sets_;
  std::vector<std::string> names_;  // in the order in which they were given
  std::string use_;
};

/// Which rows are read at once, at most `most`: rows of one adapter, in the order in which adapters
/// first occur. `neighbours` = only rows that follow one another share a batch.
std::vector<std::vector<size_t>> batches_of(const std::vector<std::string>& adapters, size_t most,
                                            bool neighbours);

}  // namespace lethe
