#include "core/plan/plan.h"

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "core/plan/states.h"
#include "core/plan/step.h"

namespace lethe::plan {
namespace {

constexpr int64_t kMostTokens = int64_t{1} << 22, kMostRows = int64_t{1} << 20;

/// The largest n in [0, most] that `fits`, which grows no truer with n.
int64_t largest(int64_t most, const std::function<bool(int64_t)>& fits) {
  int64_t good = 0, bad = 1;
  while (bad <= most && fits(bad)) {
    good = bad;
    bad *= 2;
  }
  bad = std::min(bad, most + 1);
  while (bad - good > 1) {
    const int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

void check_length(const ModelFacts& model, const PlanRequest& request) {
  if (model.longest == 0 || request.length <= model.longest) return;
  fail("--length is {}, but this {} takes rows of at most {} tokens; lower it", request.length,
       model.model_type, model.longest);
}

/// Learned positions are counted, virtual tokens among them.
void check_prompt(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request) {
  if (method.prompt_tokens == 0 || !model.learned_positions) return;
  if (method.prompt_tokens + request.length <= model.longest) return;
  fail("--virtual-tokens {} and --length {} need {} positions, but this {} has {}; lower one",
       method.prompt_tokens, request.length, method.prompt_tokens + request.length,
       model.model_type, model.longest);
}

}  // namespace

Account account(const ModelFacts& model, const PlanRequest& request) {
  check(request);
  check_length(model, request);
  if (request.levers.chunk > 0 && model.classifies) {
    fail("chunked-loss excludes a {} that classifies, with one prediction a row; drop the lever",
         model.model_type);
  }
  const MethodPlan method = method_plan(model, request);
  check_prompt(model, method, request);
  const States between = states(model, method, request);
  Meter meter;
  for (size_t i = 0; i < kParts; ++i) {
    const auto part = static_cast<Part>(i);
    meter.add(part, between.device[part]);
    meter.add_host(part, between.host[part]);
  }
  run_step(meter, model, method, request);
  Account made;
  made.parameters = model.parameters();
  made.trainable = method.trainable();
  made.base = method.base;
  made.device = meter.at_peak();
  made.host = meter.host_peak();
  made.moment = meter.moment();
  made.states = between.device.total();
  return made;
}

Plan make_plan(const ModelFacts& model, const PlanRequest& request, int64_t device_memory,
               const LeverRule& allowed) {
  Plan plan;
  plan.account = account(model, request);
  plan.device_memory = device_memory;
  if (device_memory == 0) return plan;
  plan.fits = plan.account.peak() <= device_memory;
  if (!plan.fits) {
    plan.remedies = remedies(model, request, device_memory, plan.least_peak, allowed);
  }
  plan.longest = largest(model.longest > 0 ? model.longest : kMostTokens, [&](int64_t length) {
    PlanRequest other = request;
    // A target as long as the source stays so.
    other.length = length;
    return account(model, other).peak() <= device_memory;
  });
  const int64_t step = request.levers.accumulate;
  plan.largest_batch = step * largest(kMostRows, [&](int64_t rows) {
                         PlanRequest other = request;
                         other.batch = rows * step;
                         return account(model, other).peak() <= device_memory;
                       });
  return plan;
}

}  // namespace lethe::plan
