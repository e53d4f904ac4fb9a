// One training step on a tape: forward, loss, backward. Free of libtorch.
#pragma once

#include "core/plan/operators.h"

namespace lethe::plan {

/// Runs a step of the method's model on the meter, beside what is live in it already.
void run_step(Meter& meter, const ModelFacts& model, const MethodPlan& method,
              const PlanRequest& request);

/// What a forward pass of the request over `rows` rows is made for.
Shapes shapes_of(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request,
                 int64_t rows);

}  // namespace lethe::plan
