// The memory meter on the GPU: libtorch's caching allocator reports every allocation and free, with
// the bytes that were asked for, under its own lock.
#include <c10/cuda/CUDACachingAllocator.h>

#include <mutex>
#include <unordered_map>

#include "core/cuda_device.h"
#include "core/memory_ledger.h"

namespace lethe {
namespace {

using c10::CachingDeviceAllocator::TraceEntry;

/// What lies at an address, so that a free leaves the category that its allocation was booked
/// under. Addresses of several GPUs are distinct.
class Blocks {
 public:
  void take(const TraceEntry& entry) {
    const auto bytes = static_cast<int64_t>(entry.size_);
    switch (entry.action_) {
      case TraceEntry::ALLOC:
        return allocated(entry.addr_, bytes);
      case TraceEntry::FREE_REQUESTED:
        return freed(entry.addr_);
      case TraceEntry::SEGMENT_ALLOC:
      case TraceEntry::SEGMENT_MAP:
        return device_ledger().reserve(bytes);
      case TraceEntry::SEGMENT_FREE:
      case TraceEntry::SEGMENT_UNMAP:
        return device_ledger().reserve(-bytes);
      case TraceEntry::OOM:
        return device_ledger().refuse(bytes, static_cast<int64_t>(entry.addr_));
      default:
        return;
    }
  }

 private:
  struct Block {
    int64_t bytes;
    Category category;
  };

  void allocated(size_t address, int64_t bytes) {
    const Block block{bytes, device_tag()};
    const std::lock_guard lock(mutex_);
    blocks_[address] = block;
    device_ledger().add(block.category, bytes);
  }

  /// Memory from before the meter is not known and was not counted.
  void freed(size_t address) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(address);
    if (found == blocks_.end()) return;
    device_ledger().add(found->second.category, -found->second.bytes);
    blocks_.erase(found);
  }

  std::mutex mutex_;
  std::unordered_map<size_t, Block> blocks_;
};

}  // namespace

void meter_cuda_memory() {
  static const bool installed = [] {
    static Blocks& blocks = *new Blocks;  // never destroyed, as the ledgers
    c10::cuda::CUDACachingAllocator::attachAllocatorTraceTracker(
        [](const TraceEntry& entry) { blocks.take(entry); });
    return true;
  }();
  static_cast<void>(installed);
}

}  // namespace lethe
