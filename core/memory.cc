#include "core/memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

#include "core/error.h"

namespace lethe {

const char* category_name(Category category) {
  static const char* const names[kCategories] = {
      "other",     "base weights", "trained weights", "adapters", "gradients",
      "optimizer", "method state", "activations",     "workspace"};
  return names[static_cast<int>(category)];
}

namespace {

using Bytes = std::array<int64_t, kCategories>;

struct Phase {
  std::string name;
  Bytes peak{}, at_peak{};
  int64_t total_peak = 0;
};

std::mutex guard;
Bytes live{};
int64_t total = 0;
std::vector<Phase> phases;
size_t present = 0;  // index into phases, where there is one
thread_local Category tag = Category::other;


void raise_peaks() {
  if (phases.empty()) return;
  Phase& phase = phases[present];
  for (int c = 0; c < kCategories; ++c) phase.peak[c] = std::max(phase.peak[c], live[c]);
  if (total > phase.total_peak) {
    phase.total_peak = total;
    phase.at_peak = live;
  }
}

void book(Category category, int64_t bytes) {
  const std::lock_guard<std::mutex> lock(guard);
  const int c = static_cast<int>(category);
  live[c] += bytes;
  total += bytes;
  if (bytes <= 0 || phases.empty()) return;
  Phase& phase = phases[present];
  phase.peak[c] = std::max(phase.peak[c], live[c]);
  if (total > phase.total_peak) {
    phase.total_peak = total;
    phase.at_peak = live;
  }
}

/// Stands before the data; 64 bytes keep the data's alignment.
struct alignas(64) Header {
  int64_t bytes;
  Category category;
};
static_assert(sizeof(Header) == 64);

void release(void* data) {
  if (data == nullptr) return;
  Header* header = static_cast<Header*>(data) - 1;
  book(header->category, -header->bytes);
  std::free(header);
}

class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const size_t whole = (bytes + sizeof(Header) + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, whole);
    if (memory == nullptr) {
      fail("{} bytes of memory could not be had; lower train.batch or the model's size", bytes);
    }
    auto* header = static_cast<Header*>(memory);
    header->bytes = static_cast<int64_t>(bytes);
    header->category = tag;
    book(tag, header->bytes);
    void* data = header + 1;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void install_memory_meter() {
  static CountingAllocator allocator;
  // Large temporaries would else be mapped and unmapped at every step, a page fault for each page.
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

MemoryTag::MemoryTag(Category category) : before_(tag) { tag = category; }
MemoryTag::~MemoryTag() { tag = before_; }

int64_t live_bytes(Category category) {
  const std::lock_guard<std::mutex> lock(guard);
  return live[static_cast<int>(category)];
}

int64_t live_bytes() {
  const std::lock_guard<std::mutex> lock(guard);
  return total;
}

void rebook(void* storage, Category category) {
  if (storage == nullptr) return;
  Header* header = static_cast<Header*>(storage) - 1;
  const std::lock_guard<std::mutex> lock(guard);
  live[static_cast<int>(header->category)] -= header->bytes;
  live[static_cast<int>(category)] += header->bytes;
  header->category = category;
}

void begin_phase(const std::string& name) {
  const std::lock_guard<std::mutex> lock(guard);
  present = 0;
  while (present < phases.size() && phases[present].name != name) ++present;
  if (present == phases.size()) phases.push_back({name});
  raise_peaks();
}

void reset_phases() {
  const std::lock_guard<std::mutex> lock(guard);
  phases.clear();
}

std::vector<Usage> usage_by_phase() {
  const std::lock_guard<std::mutex> lock(guard);
  rusage process{};
  getrusage(RUSAGE_SELF, &process);
  std::vector<Usage> usage;
  for (const Phase& phase : phases) {
    for (int c = 0; c < kCategories; ++c) {
      if (phase.peak[c] == 0) continue;
      usage.push_back({phase.name, category_name(static_cast<Category>(c)), "host", phase.peak[c],
                       phase.at_peak[c]});
    }
  }
  const int64_t resident = process.ru_maxrss * 1024;
  usage.push_back({"process", "process peak RSS", "host", resident, resident});
  return usage;
}

}  // namespace lethe
