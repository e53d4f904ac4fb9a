#include "core/refused_memory.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "core/memory_ledger.h"

namespace lethe {
namespace {

/// Of this size on an allocation is compared with what the machine has left.
constexpr int64_t kLooked = int64_t{64} << 20;
constexpr double kMiB = 1 << 20;

std::atomic<int64_t> most{0};

}  // namespace

OutOfMemory::~OutOfMemory() = default;

int64_t available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  for (int64_t kib = 0; info >> name >> kib; info.ignore(8, '\n')) {
    if (name == "MemAvailable:") return kib * 1024;
  }
  return std::numeric_limits<int64_t>::max();
}

void limit_memory(int64_t bytes) { most = bytes; }

void admit_memory(int64_t bytes) {
  const int64_t limit = most;
  const bool over = limit > 0 && host_ledger().live() + bytes > limit;
  if (!over && (bytes < kLooked || bytes <= available_memory())) return;
  host_ledger().refuse(bytes);
  throw OutOfMemory(fmt::format("out of memory: {}", refused_memory()));
}

namespace {

std::string account_of(const Refusal& refusal, const char* where) {
  int64_t total = 0;
  std::string parts;
  for (size_t c = 0; c < kCategories; ++c) {
    const int64_t bytes = refusal.live[c];
    total += bytes;
    if (bytes == 0) continue;
    parts +=
        fmt::format("{}{} {:.1f}", parts.empty() ? "" : ", ",
                    category_name(static_cast<Category>(c)), static_cast<double>(bytes) / kMiB);
  }
  const int64_t limit = most;
  int64_t left = limit > 0 ? limit - total : available_memory();
  if (refusal.left >= 0) left = refusal.left;
  return fmt::format(
      "{:.1f} MiB{} were asked for{}, {:.1f} MiB are left; live then, in MiB: {} (together "
      "{:.1f}); "
      "lower train.batch or set train.levers, which `lethe plan` reckons with",
      static_cast<double>(refusal.bytes) / kMiB, where,
      refusal.phase.empty() ? "" : fmt::format(" in phase '{}'", refusal.phase),
      static_cast<double>(std::max<int64_t>(left, 0)) / kMiB, parts.empty() ? "nothing" : parts,
      static_cast<double>(total) / kMiB);
}

}  // namespace

std::string refused_memory() {
  if (const auto refusal = device_ledger().refusal()) return account_of(*refusal, " of the GPU");
  const auto refusal = host_ledger().refusal();
  return refusal ? account_of(*refusal, "") : std::string();
}

}  // namespace lethe
