#include "core/memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <new>

#include "core/block_cache.h"
#include "core/error.h"
#include "core/memory_ledger.h"
#include "core/refused_memory.h"

namespace lethe {
namespace {

/// Stands before every allocation's data and takes exactly its alignment.
struct alignas(64) Header {
  static constexpr uint64_t kMark = 0x6c65746865206d6d;
  uint64_t mark;
  int64_t bytes;
  Category category;
};
static_assert(sizeof(Header) == 64);

/// Smaller blocks are the C library's alone.
constexpr size_t kKept = 64 << 10;

/// What is kept here is no tensor's and in no category.
BlockCache& freed_blocks() {
  static auto* cache = new BlockCache(128 << 20, c10::free_cpu);  // outlives every tensor
  return *cache;
}

Header* header_of(void* data) { return static_cast<Header*>(data) - 1; }

void release(void* data) {
  if (data == nullptr) return;
  Header* header = header_of(data);
  host_ledger().add(header->category, -header->bytes);
  header->mark = 0;
  const auto bytes = static_cast<size_t>(header->bytes);
  if (bytes < kKept) return c10::free_cpu(header);
  freed_blocks().give(header, bytes);
}

/// Up to where the heap has asked for huge pages.
std::atomic<char*> advised{nullptr};

/// Asks for pages of 2 MiB under what the heap has grown by: an update walks up to nine arrays at
/// once, more than the processor holds translations for in pages of 4 KiB. Where the system gives
/// none nothing changes but the time.
void advise_huge_pages() {
  auto* top = static_cast<char*>(sbrk(0));
  char* begin = advised.load();
  if (top <= begin || !advised.compare_exchange_strong(begin, top)) return;
  constexpr uintptr_t kPage = 4096;
  begin -= reinterpret_cast<uintptr_t>(begin) % kPage;
  madvise(begin, static_cast<size_t>(top - begin), MADV_HUGEPAGE);
}

/// `bytes` beside a header; at least kKept of them from what is kept, if it has that.
void* memory_for(size_t bytes) {
  if (bytes >= kKept) {
    if (void* kept = freed_blocks().take(bytes)) return kept;
  }
  try {
    return c10::alloc_cpu(bytes + sizeof(Header));
  } catch (const c10::Error&) {
    if (freed_blocks().held() == 0) throw;
    freed_blocks().clear();
    return c10::alloc_cpu(bytes + sizeof(Header));
  }
}

class CountingAllocator final : public c10::Allocator {
 public:
  static constexpr size_t kLarge = 256 << 10;

  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    if (bytes >= kLarge) admit_memory(static_cast<int64_t>(bytes));
    void* memory = memory_for(bytes);
    if (bytes >= kLarge) advise_huge_pages();
    auto* header = new (memory) Header{Header::kMark, static_cast<int64_t>(bytes), host_tag()};
    host_ledger().add(header->category, header->bytes);
    void* data = header + 1;
    return {data, data, &release, cpu};
  }

  /// The context is the data pointer, as c10's raw_allocate and raw_deallocate need it.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

constexpr const char* kNames[kCategories] = {
    "other",     "base weights", "trained weights", "adapters",  "gradients",
    "optimizer", "method state", "activations",     "workspace", "mapped weights"};

void add_rows(Ledger& ledger, const char* device, std::vector<Usage>& rows) {
  for (const PhasePeaks& phase : ledger.phases()) {
    for (size_t c = 0; c < kCategories; ++c) {
      rows.push_back({phase.name, kNames[c], device, phase.peak[c], phase.at_peak[c]});
    }
  }
}

}  // namespace

const char* category_name(Category category) { return kNames[static_cast<size_t>(category)]; }

void install_memory_meter() {
  static const bool installed = [] {
    // Large temporaries otherwise go back to the system on every free and pay page faults on the
    // next use.
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    advised = static_cast<char*>(sbrk(0));
    static CountingAllocator allocator;
    c10::SetCPUAllocator(&allocator, 1);
    return true;
  }();
  static_cast<void>(installed);
}

int64_t live_bytes(Category category) { return host_ledger().live(category); }
int64_t live_bytes() { return host_ledger().live(); }

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
  host_ledger().move(header->category, category, header->bytes);
  header->category = category;
}

void book_mapped(int64_t bytes) { host_ledger().add(Category::mapped_weights, bytes); }

Category book_host(int64_t bytes) {
  const Category category = host_tag();
  host_ledger().add(category, bytes);
  return category;
}

void unbook_host(Category category, int64_t bytes) { host_ledger().add(category, -bytes); }

void begin_phase(const std::string& name) {
  host_ledger().begin(name);
  device_ledger().begin(name);
}

void reset_phases() {
  host_ledger().reset();
  device_ledger().reset();
  // The system's peak starts again too, or a trial would show that of the trials before it. Where
  // the file can't be written the peak stays the process's.
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
}

bool uses_gpu() { return device_ledger().most_reserved() > 0; }

std::vector<Usage> usage_by_phase() {
  std::vector<Usage> rows;
  add_rows(host_ledger(), "host", rows);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const int64_t resident = int64_t{usage.ru_maxrss} * 1024;
  rows.push_back({"process", "process peak RSS", "host", resident, resident});
  if (!uses_gpu()) return rows;
  add_rows(device_ledger(), "cuda", rows);
  const int64_t reserved = device_ledger().most_reserved();
  rows.push_back({"process", "CUDA reserved", "cuda", reserved, reserved});
  return rows;
}

}  // namespace lethe
