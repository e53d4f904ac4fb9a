#include "core/schedule.h"

#include <cmath>

namespace lethe {

double schedule_factor(const std::string& schedule, double warmup, int64_t step, int64_t steps) {
  const auto rising = static_cast<int64_t>(std::ceil(warmup * static_cast<double>(steps)));
  if (step < rising) return static_cast<double>(step + 1) / static_cast<double>(rising);
  if (schedule == "constant") return 1;
  const double done = static_cast<double>(step - rising) / static_cast<double>(steps - rising);
  return schedule == "linear" ? 1 - done : 0.5 * (1 + std::cos(3.14159265358979323846 * done));
}

}  // namespace lethe
