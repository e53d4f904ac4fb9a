// Adam's and momentum's moments that do not lie in twins of the arena.
#pragma once

#include "core/archive.h"
#include "core/arena.h"
#include "core/kernels/update.h"

namespace lethe {

class Moments {
 public:
  virtual ~Moments() = default;
  /// Moments for the arena's parameters, carried over by name; zero where they are new, or all
  /// where `clear`.
  virtual void lay_out(const Arena& arena, bool clear) = 0;
  /// Values that a piece of a parameter may begin at: multiples of it.
  static constexpr int64_t kPiece = 2048;
  /// Values in float32 at a time on a device: enough to be worth a launch.
  static constexpr int64_t kThere = int64_t{4} << 20;
  static_assert(kThere % kPiece == 0);
  /// update_on() of a parameter's values from `from` on, a multiple of kPiece: `step` points to
  /// their arrays, but for the moments. Returns their penalty.
  virtual double update(const ArenaRange& range, int64_t from, const kernels::Update& step) = 0;
  /// All parameters of the arena, whose arrays `step` points to.
  virtual double update(const Arena& arena, const kernels::Update& step) = 0;
  virtual void state(Archive& archive) = 0;
  virtual std::string form() const = 0;  ///< "in 8 bits on the host"
};

}  // namespace lethe
