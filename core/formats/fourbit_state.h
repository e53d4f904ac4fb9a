// The JSON beside a 4-bit weight, as bitsandbytes writes it. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/fourbit.h"

namespace lethe {

struct FourBitState {
  kernels::FourBit format = kernels::FourBit::nf4;
  int64_t block = 64;
  std::string dtype;  ///< float32, bfloat16 or float16
  std::vector<int64_t> shape;
  int64_t nested_block = 0;  ///< 0: scales are not nested
  double nested_offset = 0;
};

/// Reads the text of a state whose tensor's name says `format`. Throws Error that begins with
/// `where`; unknown keys are ignored.
FourBitState parse_four_bit_state(const std::string& where, std::string_view text,
                                  kernels::FourBit format);

/// The text of a state, byte for byte as bitsandbytes writes it.
std::string four_bit_state_text(const FourBitState& state);

}  // namespace lethe
