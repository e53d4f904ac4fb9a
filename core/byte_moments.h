// Adam's moments in 8 bits (Dettmers et al. 2022, arXiv:2110.02861) around the fused update.
#pragma once

#include <map>
#include <string>

#include "core/moments.h"

namespace lethe {

/// Both moments of every parameter: a byte a value and a float32 per 256 values, the first under
/// the signed dynamic map, the second under the unsigned one; of parameters with fewer than
/// kernels::kAdam8Least values in float32.
class ByteMoments : public Moments {
 public:
  /// With `on_host` they lie there, a few million values of them on the parameters' device at a
  /// time.
  explicit ByteMoments(bool on_host = false) : on_host_(on_host) {}
  void lay_out(const Arena& arena, bool clear) override;
  /// Moments are read from their bytes, and quantised again, a few thousand values at a time.
  double update(const ArenaRange& range, int64_t from, const kernels::Update& step) override;
  double update(const Arena& arena, const kernels::Update& step) override;
  void state(Archive& archive) override;
  std::string form() const override;

 private:
  struct Kept {
    Tensor first, second;                // (n) bytes, or float32 of a small parameter
    Tensor first_absmax, second_absmax;  // one a block; undefined of a small parameter
    bool in_bytes() const { return first_absmax.defined(); }
  };
  Kept zero(const ArenaRange& range) const;
  /// Of moments in float32.
  static double update_whole(const Kept& kept, const at::Device& device, int64_t from,
                             const kernels::Update& step);

  bool on_host_;
  std::map<std::string, Kept> moments_;
};

}  // namespace lethe
