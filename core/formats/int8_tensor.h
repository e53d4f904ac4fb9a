// An 8-bit weight in the form in which bitsandbytes serialises a Linear8bitLt: X.weight holds the
// codes, X.SCB the largest magnitude of each row, X.weight_format how the codes lie. Free of
// libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace lethe {

/// A weight (out, in) = codes * absmax[row] / 127, codes in -127..127.
struct Int8Tensor {
  int64_t out = 0, in = 0;
  const int8_t* codes = nullptr;  ///< out * in of them where they are stored, not owned
  std::vector<float> absmax;      ///< (out)
};

/// Whether `name`, "X.weight", is an int8 weight: codes of type I8, or any weight with an X.SCB.
bool is_int8(const std::map<std::string, StoredTensor>& tensors, const std::string& name);

/// Whether `name` stands beside an int8 weight, as X.SCB or X.weight_format; then `weight` is
/// "X.weight".
bool beside_int8(const std::string& name, std::string* weight);

/// Reads the weight `name` of the file or folder `path`, which messages begin with. Throws Error
/// naming the tensor, what it holds, what was expected and what to do: for codes that are not I8 of
/// (out, in) or hold -128, scales that are missing, not F32, not one a row, not finite or below 0,
/// and for a format other than rows. Reads every code once.
Int8Tensor read_int8(const std::string& path, const std::map<std::string, StoredTensor>& tensors,
                     const std::string& name, int64_t out, int64_t in);

/// Byte for byte what bitsandbytes writes for the weight as `name`; `weight` owns the bytes.
std::map<std::string, StoredTensor> int8_parts(const Int8Tensor& weight, const std::string& name);

}  // namespace lethe
