// Every CUDA twin of the quantised kernels against the CPU's function, bit for bit, wherever its
// memory lies.
#pragma once

#include <vector>

namespace lethe::kernels {

/// Where twins run: a GPU's memory, or this process's where they are emulated.
class Place {
 public:
  virtual ~Place() = default;
  /// A copy of `bytes` there, at a multiple of 256 bytes, until the place is gone.
  virtual void* put(const std::vector<char>& bytes) = 0;
  /// What lies there now, all that was put.
  virtual std::vector<char> get(const void* there) const = 0;
  /// Whether inputs may be large enough for kernels to loop through their whole grid.
  virtual bool fast() const = 0;
};

void check_four_bit_twins(Place& place);
void check_8bit_twins(Place& place);
void check_scales_twins(Place& place);
void check_adam8_twins(Place& place);
void check_int8_rows_twin(Place& place);
void check_int8_product_twin(Place& place);
void check_linear_int8_twin(Place& place);
void check_tile_product_twins(Place& place);
void check_layer_twins(Place& place);
void check_rounding_twin(Place& place);
/// What the CPU's functions refuse, and nothing at all to do.
void check_twins_refuse(Place& place);

}  // namespace lethe::kernels
