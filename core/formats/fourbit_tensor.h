// A 4-bit weight in the form in which bitsandbytes serialises a Linear4bit (its QuantState with
// packed=True): NAME holds the codes, NAME.absmax, NAME.quant_map, NAME.nested_absmax,
// NAME.nested_quant_map and NAME.quant_state.bitsandbytes__nf4 (or __fp4) what they mean. Free of
// libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/kernels/byte_map.h"
#include "core/kernels/fourbit.h"

namespace lethe {

/// Scales quantised once more, in blocks of `block`: map[codes[i]] * absmax[i / block] + offset.
struct NestedAbsmax {
  std::vector<uint8_t> codes;
  std::vector<float> absmax;
  std::shared_ptr<const kernels::ByteMap> map;  ///< as stored
  float offset = 0;
  int64_t block = 256;
};

/// A weight of `shape`, row-major. Its scales are either `absmax` or `nested`.
struct FourBitTensor {
  kernels::FourBit format = kernels::FourBit::nf4;
  int64_t block = 64;
  std::string dtype = "float32";  ///< of the weight before: float32, bfloat16 or float16
  std::vector<int64_t> shape;
  const uint8_t* packed = nullptr;  ///< (elements() + 1) / 2 bytes, not owned
  std::vector<float> absmax;
  std::optional<NestedAbsmax> nested;

  int64_t elements() const;
  /// One scale a block, recovered where they are nested.
  std::vector<float> scales() const;
};

using StoredTensors = std::map<std::string, StoredTensor>;

/// Whether `name` is a 4-bit weight: whether a tensor NAME.quant_state.bitsandbytes__... is there.
bool is_four_bit(const StoredTensors& tensors, const std::string& name);

/// Whether `name` is a part beside a 4-bit weight, such as "X.weight.absmax"; then `weight` is
/// "X.weight".
bool beside_four_bit(const std::string& name, std::string* weight);

/// Reads the weight `name` of the file or folder `path`, which messages begin with; the codes stay
/// where they lie. Throws Error naming the tensor, what it holds and what was expected: for a part
/// that is missing, for a state that is no JSON or lacks a key, for formats, block sizes and dtypes
/// that there are none of, for maps other than the format's, and for codes or scales whose number
/// is not what the shape asks for or that are not finite.
FourBitTensor read_four_bit(const std::string& path, const StoredTensors& tensors,
                            const std::string& name);

/// The tensors of a weight and what owns their bytes, but for the codes.
struct FourBitParts {
  StoredTensors tensors;
  std::vector<std::vector<uint8_t>> owned;
};

/// Byte for byte what bitsandbytes writes for this weight under `name`.
FourBitParts four_bit_parts(const FourBitTensor& weight, const std::string& name);

/// `scales` of a weight, quantised once more under the signed dynamic map.
NestedAbsmax nested_absmax(const std::vector<float>& scales);

}  // namespace lethe
