// What lies in memory between steps: weights, gradients, moments, method state. Free of libtorch.
#pragma once

#include "core/plan/method.h"
#include "core/plan/parts.h"

namespace lethe::plan {

struct States {
  PartBytes device, host;
};

/// Bytes of `n` values in a format of frozen weights, codes and constants apart. `out` rows.
struct Quantised {
  int64_t codes = 0, constants = 0;
};
Quantised quantised_bytes(const std::string& format, int64_t out, int64_t in, int64_t block);
/// The same of a seam's frozen weight in whatever format it has.
Quantised frozen_weight_bytes(const SeamPlan& seam, const MethodPlan& method,
                              const PlanRequest& request);
/// Whether the lever offload-weights leaves the seam's weight on the host.
bool is_offloaded(const SeamPlan& seam, const PlanRequest& request);

/// Two moments of one tensor of n values: 8 bytes a value, or in 8 bits with a float32 constant for
/// each of both per 256 values where n is at least 4,096.
int64_t moment_bytes(int64_t n, int64_t moments, bool eight_bit);

/// Throws Error for levers that the method excludes.
States states(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request);

}  // namespace lethe::plan
