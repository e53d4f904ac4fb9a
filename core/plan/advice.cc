// Which levers would make a request fit.
#include <algorithm>

#include "core/error.h"
#include "core/plan/plan.h"

namespace lethe::plan {
namespace {

/// The request with one more lever; nullopt where it has it, or may not have it.
std::optional<PlanRequest> with(const PlanRequest& request, const std::string& lever,
                                const LeverRule& allowed) {
  PlanRequest more = request;
  if (has_lever(request.levers, lever)) return std::nullopt;
  more.levers = with_lever(request.levers, lever);
  if (allowed && !allowed(more.levers)) return std::nullopt;
  return more;
}

/// The peak; nullopt for levers that exclude each other, the method, or the batch.
std::optional<int64_t> peak_of(const ModelFacts& model, const PlanRequest& request) {
  try {
    return account(model, request).peak();
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Takes every lever, the cheapest first, that lowers the peak, until it fits.
Remedy gathered(const ModelFacts& model, PlanRequest request, int64_t device_memory,
                const LeverRule& allowed) {
  Remedy remedy;
  remedy.peak = account(model, request).peak();
  for (const LeverDoc& lever : lever_docs()) {
    if (remedy.peak <= device_memory) break;
    const auto more = with(request, lever.name, allowed);
    const auto peak = more ? peak_of(model, *more) : std::nullopt;
    if (!peak || *peak >= remedy.peak) continue;
    request = *more;
    remedy.levers.push_back(lever.name);
    remedy.peak = *peak;
  }
  return remedy;
}

/// Drops levers without which it fits as well, the dearest first.
Remedy thinned(const ModelFacts& model, const PlanRequest& request, int64_t device_memory,
               Remedy remedy) {
  for (size_t i = remedy.levers.size(); i-- > 0;) {
    PlanRequest fewer = request;
    for (size_t j = 0; j < remedy.levers.size(); ++j) {
      if (j != i) fewer.levers = with_lever(fewer.levers, remedy.levers[j]);
    }
    const auto peak = peak_of(model, fewer);
    if (!peak || *peak > device_memory) continue;
    remedy.levers.erase(remedy.levers.begin() + static_cast<std::ptrdiff_t>(i));
    remedy.peak = *peak;
  }
  return remedy;
}

}  // namespace

std::vector<Remedy> remedies(const ModelFacts& model, const PlanRequest& request,
                             int64_t device_memory, int64_t& least_peak, const LeverRule& allowed) {
  std::vector<Remedy> found;
  for (const LeverDoc& lever : lever_docs()) {
    const auto more = with(request, lever.name, allowed);
    const auto peak = more ? peak_of(model, *more) : std::nullopt;
    if (!peak || *peak > device_memory) continue;
    // The plainer of two forms where both come to the same.
    const bool same = std::any_of(found.begin(), found.end(),
                                  [&](const Remedy& known) { return known.peak == *peak; });
    if (!same) found.push_back({{lever.name}, *peak});
  }
  const Remedy all = gathered(model, request, device_memory, allowed);
  least_peak = all.peak;
  if (found.empty() && all.peak <= device_memory) {
    found.push_back(thinned(model, request, device_memory, all));
  }
  return found;
}

}  // namespace lethe::plan
