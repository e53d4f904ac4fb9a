// The memory meter: every allocation of a trial by category and phase, counted in the allocator
// itself. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/trial.h"

namespace lethe {

enum class Category : uint8_t {
  other,  ///< allocations under no tag
  base_weights,
  trained_weights,
  adapters,
  gradients,
  optimizer,
  method_state,
  activations,
  workspace,
  mapped_weights,  ///< pages of a checkpoint's file, which the system shares and may take back
};
constexpr int kCategories = 10;
const char* category_name(Category category);  ///< "base weights", "method state", ...

/// Puts the counting allocator under libtorch's CPU tensors. Call once, first thing in main, before
/// any tensor exists: tensors made earlier are not counted. A second call does nothing. A GPU's
/// memory is metered from cuda_open() on.
void install_memory_meter();

/// The category under which this thread's allocations are booked, for the tag's lifetime. A
/// gradient or saved activation is booked under the tag of the thread that allocates it.
class MemoryTag {
 public:
  explicit MemoryTag(Category category);
  ~MemoryTag();
  MemoryTag(const MemoryTag&) = delete;
  MemoryTag& operator=(const MemoryTag&) = delete;

 private:
  Category before_;
};

/// Bytes of host memory live now, by category, in the whole process.
int64_t live_bytes(Category category);
int64_t live_bytes();
/// Moves a live CPU tensor's storage (its data pointer as the allocator returned it) to another
/// category.
void rebook(void* storage, Category category);

/// Books `bytes` of a mapped file, negative when they are let go: no allocator sees them.
void book_mapped(int64_t bytes);

/// Books `bytes` of host memory that comes from elsewhere under this thread's tag, which it
/// returns; and lets them go.
Category book_host(int64_t bytes);
void unbook_host(Category category, int64_t bytes);

/// Starts phase `name`: its peaks begin at what is live now. Phases of one name are merged
/// (maximum).
void begin_phase(const std::string& name);
/// Forgets all phases and the process's peak, e.g. between trials of one process.
void reset_phases();
/// Whether this process uses a GPU. Autograd has started threads then, and no process forked from
/// it can train, not even on the CPU.
bool uses_gpu();
/// All phases so far: per phase and category the category's peak and its share at the phase's peak,
/// and one row "process peak RSS" of getrusage since reset_phases(), on device "host". Where GPU
/// memory was taken, the same on device "cuda", with the row "CUDA reserved": the most that the
/// allocator took from the driver since reset_phases().
std::vector<Usage> usage_by_phase();

}  // namespace lethe
