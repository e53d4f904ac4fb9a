#include "core/memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <new>

#include "core/error.h"

namespace lethe {
namespace {

using Counts = std::array<int64_t, kCategories>;

struct Phase {
  std::string name;
  Counts peak{};  ///< each category's own
  int64_t total_peak = 0;
  Counts at_peak{};  ///< what was live when the total was at its peak
};

/// All counts change under one lock: only so is the composition at a peak exact when several
/// threads allocate. Without contention the lock costs less than a tenth of an allocation.
class Ledger {
 public:
  void add(Category category, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    book(category, bytes);
  }

  void move(Category from, Category to, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    book(from, -bytes);
    book(to, bytes);
  }

  int64_t live(Category category) {
    const std::lock_guard lock(mutex_);
    return live_[static_cast<size_t>(category)];
  }

  int64_t live() {
    const std::lock_guard lock(mutex_);
    return total_;
  }

  void begin(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(phases_.begin(), phases_.end(),
                                    [&](const Phase& phase) { return phase.name == name; });
    current_ = known != phases_.end() ? &*known : &phases_.emplace_back(Phase{.name = name});
    for (size_t c = 0; c < kCategories; ++c) raise_peak(c);
    raise_total();
  }

  void reset() {
    const std::lock_guard lock(mutex_);
    phases_.clear();
    current_ = nullptr;
  }

  std::vector<Phase> phases() {
    const std::lock_guard lock(mutex_);
    return {phases_.begin(), phases_.end()};
  }

 private:
  void book(Category category, int64_t bytes) {
    const auto c = static_cast<size_t>(category);
    live_[c] += bytes;
    total_ += bytes;
    if (current_ == nullptr || bytes <= 0) return;
    raise_peak(c);
    raise_total();
  }

  void raise_peak(size_t c) { current_->peak[c] = std::max(current_->peak[c], live_[c]); }

  void raise_total() {
    if (total_ <= current_->total_peak) return;
    current_->total_peak = total_;
    current_->at_peak = live_;
  }

  std::mutex mutex_;
  Counts live_{};
  int64_t total_ = 0;
  std::deque<Phase> phases_;  // a deque: current_ stays valid
  Phase* current_ = nullptr;
};

/// Never destroyed: tensors in static storage are freed after main.
Ledger& ledger() {
  static Ledger& only = *new Ledger;
  return only;
}

thread_local Category tag = Category::other;

/// Stands before every allocation's data and takes exactly its alignment.
struct alignas(64) Header {
  static constexpr uint64_t kMark = 0x6c65746865206d6d;
  uint64_t mark;
  int64_t bytes;
  Category category;
};
static_assert(sizeof(Header) == 64);

Header* header_of(void* data) { return static_cast<Header*>(data) - 1; }

void release(void* data) {
  if (data == nullptr) return;
  Header* header = header_of(data);
  ledger().add(header->category, -header->bytes);
  header->mark = 0;
  c10::free_cpu(header);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    void* memory = c10::alloc_cpu(bytes + sizeof(Header));
    auto* header = new (memory) Header{Header::kMark, static_cast<int64_t>(bytes), tag};
    ledger().add(header->category, header->bytes);
    void* data = header + 1;
    return {data, data, &release, cpu};
  }

  /// The context is the data pointer, as c10's raw_allocate and raw_deallocate need it.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

constexpr const char* kNames[kCategories] = {"other",        "base weights", "trained weights",
                                             "adapters",     "gradients",    "optimizer",
                                             "method state", "activations",  "workspace"};

}  // namespace

const char* category_name(Category category) { return kNames[static_cast<size_t>(category)]; }

void install_memory_meter() {
  static const bool installed = [] {
    // Large temporaries otherwise go back to the system on every free and pay page faults on the
    // next use.
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    static CountingAllocator allocator;
    c10::SetCPUAllocator(&allocator, 1);
    return true;
  }();
  static_cast<void>(installed);
}

MemoryTag::MemoryTag(Category category) : before_(tag) { tag = category; }
MemoryTag::~MemoryTag() { tag = before_; }

int64_t live_bytes(Category category) { return ledger().live(category); }
int64_t live_bytes() { return ledger().live(); }

void rebook(void* storage, Category category) {
  if (storage == nullptr) return;
  Header* header = header_of(storage);
  if (header->mark != Header::kMark) {
    fail(
        "rebook to {}: the memory is not the meter's; give a storage's own data pointer, made "
        "after "
        "install_memory_meter()",
        category_name(category));
  }
  ledger().move(header->category, category, header->bytes);
  header->category = category;
}

void begin_phase(const std::string& name) { ledger().begin(name); }
void reset_phases() { ledger().reset(); }

std::vector<Usage> usage_by_phase() {
  std::vector<Usage> rows;
  for (const Phase& phase : ledger().phases()) {
    for (size_t c = 0; c < kCategories; ++c) {
      rows.push_back({phase.name, kNames[c], "host", phase.peak[c], phase.at_peak[c]});
    }
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const int64_t resident = int64_t{usage.ru_maxrss} * 1024;
  rows.push_back({"process", "process peak RSS", "host", resident, resident});
  return rows;
}

}  // namespace lethe
