// The process's own peak belongs to one trial, not to all that the process ran before.
#include "tests/catch.h"
// After Catch.
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "core/memory.h"

using namespace lethe;

namespace {

constexpr int64_t kMiB = 1 << 20;

int64_t process_peak() { return usage_by_phase().back().peak; }

// Memory of `bytes` that the process has touched and given back.
void take_and_free(int64_t bytes) {
  std::vector<char> block(static_cast<size_t>(bytes), 1);
  CHECK(block.back() == 1);
}

}  // namespace

TEST_CASE("a reset forgets the peak of what was freed before it") {
  if (access("/proc/self/clear_refs", W_OK) != 0) {
    std::printf("SKIPPED: /proc/self/clear_refs can't be written here\n");
    return;
  }
  reset_phases();
  const int64_t before = process_peak();
  take_and_free(96 * kMiB);
  CHECK(process_peak() > before + 90 * kMiB);
  reset_phases();
  CHECK(process_peak() < before + 32 * kMiB);
  take_and_free(48 * kMiB);
  CHECK(process_peak() > before + 32 * kMiB);
}
