// What a training step takes in memory, before it is run: by part, at its peak; what fits; what
// would make it fit. Free of libtorch, and of weights.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/facts.h"
#include "core/plan/parts.h"
#include "core/plan/request.h"

namespace lethe::plan {

struct Account {
  int64_t parameters = 0, trainable = 0;
  std::string base;        ///< format of the blocks' frozen weights
  PartBytes device, host;  ///< at the device's peak; each part's own peak on the host
  std::string moment;      ///< of the peak: "backward, loss", "forward, block 3"
  int64_t states = 0;      ///< of `device`: what lies there between steps too

  int64_t peak() const { return device.total(); }
};

/// Throws Error for a request that does not fit the model, levers that exclude each other, and rows
/// longer than the model takes.
Account account(const ModelFacts& model, const PlanRequest& request);

/// Which levers may be on together; empty = all that plans have.
using LeverRule = std::function<bool(const Levers&)>;

/// Levers that would make a request fit.
struct Remedy {
  std::vector<std::string> levers;
  int64_t peak = 0;
};

struct Plan {
  Account account;
  int64_t device_memory = 0;  ///< 0 = not asked
  bool fits = true;
  /// Single levers that suffice, the cheapest in time first; where none does, the fewest together
  /// that do. Empty where it fits, and where nothing does.
  std::vector<Remedy> remedies;
  int64_t least_peak = 0;  ///< with every lever that there is; of a request that does not fit
  int64_t longest = 0;     ///< tokens at this batch; 0 = not even one. Not above the model's limit
  int64_t largest_batch = 0;  ///< rows at this length
};

/// device_memory 0 = no device: no limits are searched. Remedies keep to `allowed`.
Plan make_plan(const ModelFacts& model, const PlanRequest& request, int64_t device_memory,
               const LeverRule& allowed = {});

/// See Plan.
std::vector<Remedy> remedies(const ModelFacts& model, const PlanRequest& request,
                             int64_t device_memory, int64_t& least_peak,
                             const LeverRule& allowed = {});

}  // namespace lethe::plan
