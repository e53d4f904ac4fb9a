// The books of the memory meter: bytes live by category, and their peaks by phase, of the host and
// of the GPU. Free of libtorch; allocators write here, core/memory.h reads.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/memory.h"

namespace lethe {

using CategoryCounts = std::array<int64_t, kCategories>;

struct PhasePeaks {
  std::string name;
  CategoryCounts peak{};  ///< each category's own
  int64_t total_peak = 0;
  CategoryCounts at_peak{};  ///< what was live when the total was at its peak
};

/// An allocation that could not be had.
struct Refusal {
  int64_t bytes = 0;
  std::string phase;      ///< empty outside of phases
  CategoryCounts live{};  ///< what lived then
  int64_t left = -1;      ///< that could be had, where the allocator knew; else -1
};

/// All counts change under one lock: only so is the composition at a peak exact when several
/// threads allocate. Without contention the lock costs less than a tenth of an allocation.
class Ledger {
 public:
  void add(Category category, int64_t bytes);
  void move(Category from, Category to, int64_t bytes);
  int64_t live(Category category);
  int64_t live();
  void begin(const std::string& phase);
  void reset();
  std::vector<PhasePeaks> phases();

  /// Memory that an allocator took from the GPU's driver, whether tensors lie in it or not.
  void reserve(int64_t bytes);
  int64_t most_reserved();  ///< since the last reset()

  /// Keeps the account of this moment.
  void refuse(int64_t bytes, int64_t left = -1);
  std::optional<Refusal> refusal();  ///< the last one since the last reset()

 private:
  void book(Category category, int64_t bytes);
  void raise_peak(size_t c);
  void raise_total();

  std::mutex mutex_;
  CategoryCounts live_{};
  int64_t total_ = 0, reserved_ = 0, most_reserved_ = 0;
  std::deque<PhasePeaks> phases_;  // a deque: current_ stays valid
  PhasePeaks* current_ = nullptr;
  std::optional<Refusal> refusal_;
};

/// Never destroyed: tensors in static storage are freed after main.
Ledger& host_ledger();
Ledger& device_ledger();

/// The category of a host allocation of this thread: its innermost tag's.
Category host_tag();
/// That of a device allocation: autograd runs a GPU's backward pass in a thread of its own, which
/// has no tag, so a thread without one takes the tag set last in the process.
Category device_tag();

}  // namespace lethe
