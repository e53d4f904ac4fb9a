// All trainable values in one contiguous buffer, and gradients, moments, importances and anchors in
// twins of it: an update is one pass, a checkpoint one write, a digest one hash.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/memory.h"
#include "core/model.h"

namespace lethe {

/// A named buffer of the arena's layout; a handle that stays valid when the arena is laid out
/// again.
class Twin {
 public:
  Twin() = default;
  explicit operator bool() const { return buffer_ != nullptr; }
  /// (n) float32; the gradient in bfloat16 where values are shown in it.
  Tensor tensor() const { return buffer_->values; }
  const std::string& name() const { return buffer_->name; }

 private:
  friend class Arena;
  struct Buffer {
    std::string name;
    Category category;
    Tensor values;
  };
  std::shared_ptr<Buffer> buffer_;
};

/// Where one parameter lies: [offset, offset + size). Offsets are multiples of Arena::kUnit; the
/// gap between ranges holds zeros for ever.
struct ArenaRange {
  std::string name;
  int64_t offset = 0, size = 0;
  Tensor parameter;
};

/// What trained values are stored in.
enum class ValueStore : uint8_t {
  float32,
  bf16_with_master,  ///< the model's in bfloat16, beside float32 ones, which move
  bf16,              ///< in bfloat16 alone
};

class Arena {
 public:
  static constexpr int64_t kUnit = 16;  ///< values, 64 bytes: where ranges begin

  /// Collects the model's trainable parameters into one buffer, whose views they become; their
  /// gradients become views of the gradient buffer. Called again after the trainable set changed:
  /// twins are carried over by parameter name, new names start at zero. Without `gradients` there
  /// is no such buffer: each parameter's is made and let go. Returns false where nothing changed.
  bool lay_out(Model& model, bool gradients = true);

  /// From the next lay_out() on; before the first.
  void store_as(ValueStore store) { store_ = store; }
  ValueStore store() const { return store_; }

  int64_t size() const { return values_.defined() ? values_.numel() : 0; }
  /// (n) float32; bfloat16 where nothing else is stored.
  Tensor values() const { return values_; }
  /// (n) what the model's parameters are views of: values() but where these are the masters of
  /// bfloat16 ones, which follow_values() rounds from them.
  Tensor shown() const { return shown_.defined() ? shown_ : values_; }
  void follow_values();
  Tensor zeros() const;  ///< (n) float32, on the device of the values
  /// (n) as shown(); undefined where laid out without gradients.
  Tensor gradient() const { return gradient_ ? gradient_.tensor() : Tensor(); }
  const std::vector<ArenaRange>& ranges() const { return ranges_; }
  /// Where `parameter` lies; null where it isn't trained.
  const ArenaRange* range_of(const Tensor& parameter) const;
  /// Values that are parameters (without the gaps).
  int64_t parameter_count() const;

  /// The twin of that name, made of zeros at first use.
  Twin twin(const std::string& name, Category category = Category::method_state);
  const std::vector<Twin>& twins() const { return twins_; }
  Tensor slice(const Tensor& flat, const ArenaRange& range) const;

  /// While it lives, the model's parameters show `flat` instead of the arena's values, which are
  /// not written. Use without autograd.
  class Shown {
   public:
    Shown(const Arena& arena, const Tensor& flat);
    ~Shown();
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;

   private:
    const Arena& arena_;
  };

  /// SHA-256 over parameter names and values.
  std::string digest() const;

 private:
  Tensor carried(const Tensor& old, const std::vector<ArenaRange>& old_ranges) const;
  void take_masters(const Tensor& old, const std::vector<ArenaRange>& old_ranges);
  Twin made_twin(const std::string& name, Category category, at::ScalarType type);

  ValueStore store_ = ValueStore::float32;
  Tensor values_, shown_;  // shown_ undefined where the model's are values_
  Twin gradient_;
  std::vector<ArenaRange> ranges_;
  std::vector<Twin> twins_;
};

}  // namespace lethe
