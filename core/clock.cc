#include <ctime>

#include "core/memory.h"
#include "core/trainer.h"

namespace lethe {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

Timing& Clock::phase(const std::string& name) {
  for (Timing& timing : result_.timing) {
    if (timing.phase == name) return timing;
  }
  result_.timing.push_back({});
  result_.timing.back().phase = name;
  return result_.timing.back();
}

void Clock::time(const std::string& name, const std::function<void()>& work) {
  begin_phase(name);
  const auto wall = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  work();
  Timing& timing = phase(name);
  timing.wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  timing.cpu += cpu_seconds() - cpu;
}

}  // namespace lethe
