// What a method trains, adds and keeps, seam by seam. Free of libtorch.
#pragma once

#include <string>
#include <vector>

#include "core/plan/facts.h"
#include "core/plan/request.h"

namespace lethe::plan {

enum class AdapterKind : uint8_t {
  none,
  low_rank,
  dora,
  adalora,
  osf,
  scaled_input,
  scaled_output
};

struct SeamPlan {
  SeamFacts seam;
  bool weight = false, bias = false;  ///< trained
  AdapterKind adapter = AdapterKind::none;
  int64_t rank = 0;
  bool quantised = false;

  /// Sizes of the adapter's parameters, all trained.
  std::vector<int64_t> adapter_sizes() const;
  /// Values that the adapter keeps frozen.
  int64_t adapter_frozen() const;
  /// Of the base's parameters that are trained.
  std::vector<int64_t> trained_sizes() const;
};

/// Passes over rows of past tasks in a step.
struct MemoryPasses {
  int64_t gradient_rows = 0;  ///< of one after the step's own, of which the whole gradient is made
  int64_t losses = 0;         ///< passes whose graphs live beside the step's own
  int64_t loss_rows = 0;      ///< of each of those
  bool matched = false;       ///< the first of them is held to logits that were kept
  int64_t kept = 0;           ///< bytes that are kept of rows: ids, logits
};

struct MethodPlan {
  std::vector<SeamPlan> seams;  ///< in the model's order
  std::string base;             ///< format of the blocks' frozen weights
  int64_t twins = 0;            ///< float32 buffers as large as all trained values
  bool rewrites_gradient = false;
  bool reads_logits = false;
  int64_t prompt_tokens = 0, prompt_width = 0;  ///< virtual tokens before every sequence
  MemoryPasses memory;

  int64_t trainable() const;
};

/// Those of a method with a memory, none for others. Throws Error for a model that it is not for.
MemoryPasses memory_passes(const std::string& name, const ModelFacts& model,
                           const PlanRequest& request);

/// The methods that can be planned, aliases among them.
std::vector<std::string> planned_methods();

/// Throws Error for a method that is not known (listing the known), two that choose what is
/// trained, targets that no Linear has, and a quantised base that would be trained.
MethodPlan method_plan(const ModelFacts& model, const PlanRequest& request);

}  // namespace lethe::plan
