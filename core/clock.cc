#include <sys/resource.h>

#include <chrono>
#include <ctime>

#include "core/memory.h"
#include "core/trainer.h"
#include "core/update.h"

namespace lethe {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double wall_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

double cpu_seconds() {
  timespec own{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  return static_cast<double>(own.tv_sec) + 1e-9 * static_cast<double>(own.tv_nsec) +
         seconds(children.ru_utime) + seconds(children.ru_stime);
}

Timing& Clock::phase(const std::string& name) {
  for (Timing& timing : result_.timing) {
    if (timing.phase == name) return timing;
  }
  result_.timing.push_back({});
  result_.timing.back().phase = name;
  return result_.timing.back();
}

void Clock::add(const Timing& more) {
  Timing& timing = phase(more.phase);
  timing.wall += more.wall;
  timing.cpu += more.cpu;
  timing.tokens += more.tokens;
  timing.samples += more.samples;
}

void Clock::enter(const std::string& name) {
  wait_for(device_);
  const double wall = wall_seconds(), cpu = cpu_seconds();
  if (!current_.empty()) add({current_, wall - wall_, cpu - cpu_, 0, 0});
  wall_ = wall;
  cpu_ = cpu;
  current_ = name;
  if (!name.empty()) begin_phase(name);
}

void Clock::time(const std::string& name, const std::function<void()>& work) {
  const std::string outer = current_;
  enter(name);
  work();
  enter(outer);
}

}  // namespace lethe
