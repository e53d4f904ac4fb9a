// What a method trains, adds and keeps, seam by seam. Free of libtorch.
#pragma once

#include <string>
#include <vector>

#include "core/plan/facts.h"
#include "core/plan/request.h"

namespace lethe::plan {

enum class AdapterKind : uint8_t { none, low_rank, dora, adalora, scaled_input, scaled_output };

struct SeamPlan {
  SeamFacts seam;
  bool weight = false, bias = false;  ///< trained
  AdapterKind adapter = AdapterKind::none;
  int64_t rank = 0;
  bool quantised = false;

  /// Sizes of the adapter's parameters, all trained.
  std::vector<int64_t> adapter_sizes() const;
  /// Of the base's parameters that are trained.
  std::vector<int64_t> trained_sizes() const;
};

struct MethodPlan {
  std::vector<SeamPlan> seams;  ///< in the model's order
  std::string base;             ///< format of the blocks' frozen weights
  int64_t twins = 0;            ///< float32 buffers as large as all trained values
  bool rewrites_gradient = false;

  int64_t trainable() const;
};

/// The methods that can be planned, aliases among them.
std::vector<std::string> planned_methods();

/// Throws Error for a method that is not known (listing the known), two that choose what is
/// trained, targets that no Linear has, and a quantised base that would be trained.
MethodPlan method_plan(const ModelFacts& model, const PlanRequest& request);

}  // namespace lethe::plan
