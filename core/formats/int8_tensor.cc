#include "core/formats/int8_tensor.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstring>

#include "core/error.h"

namespace lethe {
namespace {

constexpr std::string_view kWeight = "weight", kScales = "SCB", kFormat = "weight_format";
/// weight_format of codes that lie row by row, the only one that is written today.
constexpr uint8_t kRowFormat = 0;
constexpr const char* kAgain = "fetch the checkpoint again, or write it again with bitsandbytes";

using Tensors = std::map<std::string, StoredTensor>;

/// "X." of "X.weight".
std::string prefix_of(const std::string& name) {
  return name.substr(0, name.size() - kWeight.size());
}

std::string beside(const std::string& name, std::string_view what) {
  return prefix_of(name) + std::string(what);
}

void check_format(const std::string& path, const Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(beside(name, kFormat));
  if (found == tensors.end()) return;  // as old files are, whose codes lie in rows
  const StoredTensor& stored = found->second;
  if (stored.dtype != "U8" || stored.elements() != 1) {
    fail("{}: '{}' holds {} {}, expected one U8; {}", path, found->first, stored.elements(),
         stored.dtype, kAgain);
  }
  if (stored.data[0] == kRowFormat) return;
  fail(
      "{}: '{}' is {}, expected 0, codes in rows; load and save the model with a "
      "bitsandbytes of today, which writes rows",
      path, found->first, stored.data[0]);
}

std::vector<float> read_scales(const std::string& path, const Tensors& tensors,
                               const std::string& name, int64_t out) {
  const auto found = tensors.find(beside(name, kScales));
  if (found == tensors.end()) {
    fail("{}: the int8 weight '{}' has no '{}', the scales of its {} rows; {}", path, name,
         beside(name, kScales), out, kAgain);
  }
  const StoredTensor& stored = found->second;
  if (stored.dtype != "F32" || stored.shape != std::vector<int64_t>{out}) {
    fail(
        "{}: '{}' is {} of shape [{}], expected F32 of shape [{}], a scale for each row of '{}'; "
        "{}",
        path, found->first, stored.dtype, fmt::join(stored.shape, ", "), out, name, kAgain);
  }
  std::vector<float> scales(static_cast<size_t>(out));
  if (out > 0) std::memcpy(scales.data(), stored.data, scales.size() * sizeof(float));
  for (size_t row = 0; row < scales.size(); ++row) {
    if (std::isfinite(scales[row]) && scales[row] >= 0) continue;
    fail("{}: '{}' holds {} for row {}, expected a finite number from 0 on; {}", path, found->first,
         scales[row], row, kAgain);
  }
  return scales;
}

const int8_t* read_codes(const std::string& path, const StoredTensor& stored,
                         const std::string& name, int64_t out, int64_t in) {
  if (stored.dtype != "I8" || stored.shape != std::vector<int64_t>{out, in}) {
    fail(
        "{}: '{}' is {} of shape [{}], expected I8 of shape [{}, {}], the codes of an int8 weight; "
        "{}",
        path, name, stored.dtype, fmt::join(stored.shape, ", "), out, in, kAgain);
  }
  const auto* codes = reinterpret_cast<const int8_t*>(stored.data);
  const auto* wrong = static_cast<const int8_t*>(std::memchr(codes, 0x80, stored.bytes));
  if (wrong == nullptr) return codes;
  fail("{}: '{}' holds -128 at [{}, {}], expected codes from -127 to 127; {}", path, name,
       (wrong - codes) / in, (wrong - codes) % in, kAgain);
}

}  // namespace

bool is_int8(const Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || !name.ends_with(kWeight)) return false;
  return found->second.dtype == "I8" || tensors.contains(beside(name, kScales));
}

bool beside_int8(const std::string& name, std::string* weight) {
  for (const std::string_view part : {kScales, kFormat}) {
    if (!name.ends_with(part)) continue;
    const std::string prefix = name.substr(0, name.size() - part.size());
    if (!prefix.empty() && !prefix.ends_with('.')) continue;
    *weight = prefix + std::string(kWeight);
    return true;
  }
  return false;
}

Int8Tensor read_int8(const std::string& path, const Tensors& tensors, const std::string& name,
                     int64_t out, int64_t in) {
  check_format(path, tensors, name);
  Int8Tensor weight{.out = out, .in = in};
  weight.absmax = read_scales(path, tensors, name, out);
  weight.codes = read_codes(path, tensors.at(name), name, out, in);
  return weight;
}

Tensors int8_parts(const Int8Tensor& weight, const std::string& name) {
  Tensors parts;
  parts[name] = {"I8",
                 {weight.out, weight.in},
                 reinterpret_cast<const uint8_t*>(weight.codes),
                 static_cast<uint64_t>(weight.out * weight.in)};
  parts[beside(name, kScales)] = {"F32",
                                  {weight.out},
                                  reinterpret_cast<const uint8_t*>(weight.absmax.data()),
                                  weight.absmax.size() * sizeof(float)};
  parts[beside(name, kFormat)] = {"U8", {}, &kRowFormat, 1};
  return parts;
}

}  // namespace lethe
