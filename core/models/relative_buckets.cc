#include "core/models/relative_buckets.h"

#include <cmath>

namespace lethe {

Tensor RelativeBuckets::of(const Tensor& distances) const {
  const int64_t buckets = both_ways ? count / 2 : count;  // of one direction
  const int64_t exact = buckets / 2;
  const Tensor away = both_ways ? distances.abs() : distances.neg().clamp_min(0);
  const double range = std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  const Tensor ratio = away.clamp_min(exact).to(at::kFloat).div(static_cast<double>(exact));
  const Tensor steps = ratio.log().div(range).mul(static_cast<double>(buckets - exact));
  const Tensor far = steps.to(at::kLong).add(exact).clamp_max(buckets - 1);
  const Tensor bucket = at::where(away < exact, away, far);
  return both_ways ? bucket + (distances > 0) * buckets : bucket;
}

}  // namespace lethe
