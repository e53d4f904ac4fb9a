#include "core/formats/fourbit_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "core/formats/fourbit_state.h"
#include "core/kernels/blockwise8.h"

namespace lethe {
namespace {

using kernels::FourBit;

/// The parts of one weight, with messages that name them.
class FourBitReader {
 public:
  FourBitReader(const std::string& path, const StoredTensors& tensors, const std::string& name)
      : path_(path), tensors_(tensors), name_(name) {}

  const StoredTensor& part(const std::string& suffix) const {
    const auto found = tensors_.find(name_ + suffix);
    if (found == tensors_.end()) {
      fail("{}: the 4-bit weight '{}' has no '{}{}'; fetch or write the checkpoint again", path_,
           name_, name_, suffix);
    }
    return found->second;
  }

  /// `count` numbers of type `dtype`; `why` says whence the number.
  template <class T>
  std::vector<T> numbers(const std::string& suffix, const char* dtype, int64_t count,
                         const std::string& why) const {
    const StoredTensor& tensor = part(suffix);
    if (tensor.dtype != dtype || tensor.elements() != count) {
      fail("{}: '{}{}' holds {} {}, expected {} {}: {}", path_, name_, suffix, tensor.elements(),
           tensor.dtype, count, dtype, why);
    }
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0) std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
    return values;
  }

  std::vector<float> floats(const std::string& suffix, int64_t count,
                            const std::string& why) const {
    auto values = numbers<float>(suffix, "F32", count, why);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        fail("{}: '{}{}' holds {} at {}, expected finite numbers", path_, name_, suffix, values[i],
             i);
      }
    }
    return values;
  }

  FourBitState state() const {
    for (const auto format : {FourBit::nf4, FourBit::fp4}) {
      const std::string suffix =
          fmt::format(".quant_state.bitsandbytes__{}", kernels::four_bit_name(format));
      if (!tensors_.contains(name_ + suffix)) continue;
      const StoredTensor& stored = part(suffix);
      const std::string where = fmt::format("{}: '{}{}'", path_, name_, suffix);
      return parse_four_bit_state(where, {reinterpret_cast<const char*>(stored.data), stored.bytes},
                                  format);
    }
    fail("{}: '{}' is no 4-bit weight: it has no quant_state of bitsandbytes nf4 or fp4", path_,
         name_);
  }

  const uint8_t* codes(int64_t elements) const {
    const StoredTensor& stored = part("");
    if (stored.bytes != static_cast<uint64_t>((elements + 1) / 2)) {
      fail("{}: '{}' holds {} bytes of codes, expected {} for the {} elements of its quant_state",
           path_, name_, stored.bytes, (elements + 1) / 2, elements);
    }
    return stored.data;
  }

  void check_map(FourBit format) const {
    const auto map = floats(".quant_map", 16, "one value a code");
    const float* known = kernels::four_bit_values(format);
    for (size_t code = 0; code < 16; ++code) {
      if (map[code] != known[code]) {
        fail("{}: '{}.quant_map' gives code {} the value {}, and {} has {}", path_, name_, code,
             map[code], kernels::four_bit_name(format), known[code]);
      }
    }
  }

  NestedAbsmax nested(const FourBitState& state, int64_t blocks) const {
    NestedAbsmax read;
    read.block = state.nested_block;
    read.offset = static_cast<float>(state.nested_offset);
    read.codes = numbers<uint8_t>(".absmax", "U8", blocks, "one code a block, as scales nest");
    read.absmax = floats(".nested_absmax", (blocks + read.block - 1) / read.block,
                         fmt::format("one for each {} of {} blocks", read.block, blocks));
    const auto map = floats(".nested_quant_map", 256, "one value a code");
    try {
      read.map = std::make_shared<kernels::ByteMap>(map.data());
    } catch (const Error& error) {
      fail("{}: '{}.nested_quant_map': {}", path_, name_, error.what());
    }
    return read;
  }

 private:
  const std::string& path_;
  const StoredTensors& tensors_;
  const std::string& name_;
};

template <class T>
void add_part(FourBitParts& parts, const std::string& name, const char* dtype, const T* data,
              size_t count) {
  std::vector<uint8_t> bytes(count * sizeof(T));
  std::memcpy(bytes.data(), data, bytes.size());
  parts.owned.push_back(std::move(bytes));
  parts.tensors[name] = {
      dtype, {static_cast<int64_t>(count)}, parts.owned.back().data(), parts.owned.back().size()};
}

}  // namespace

int64_t FourBitTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<float> FourBitTensor::scales() const {
  if (!nested) return absmax;
  std::vector<float> recovered(nested->codes.size());
  kernels::dequantize_scales(*nested->map, nested->codes.data(), nested->absmax.data(),
                             nested->offset, 0, static_cast<int64_t>(recovered.size()),
                             nested->block, recovered.data());
  return recovered;
}

bool is_four_bit(const StoredTensors& tensors, const std::string& name) {
  const std::string prefix = name + ".quant_state.bitsandbytes__";
  const auto next = tensors.lower_bound(prefix);
  return next != tensors.end() && next->first.starts_with(prefix);
}

bool beside_four_bit(const std::string& name, std::string* weight) {
  for (const std::string_view part :
       {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map",
        ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"}) {
    if (!name.ends_with(part)) continue;
    *weight = name.substr(0, name.size() - part.size());
    return true;
  }
  return false;
}

FourBitTensor read_four_bit(const std::string& path, const StoredTensors& tensors,
                            const std::string& name) {
  const FourBitReader reader(path, tensors, name);
  const FourBitState state = reader.state();
  FourBitTensor weight{
      .format = state.format, .block = state.block, .dtype = state.dtype, .shape = state.shape};
  const int64_t n = weight.elements(), blocks = (n + weight.block - 1) / weight.block;
  weight.packed = reader.codes(n);
  reader.check_map(weight.format);
  if (state.nested_block > 0) {
    weight.nested = reader.nested(state, blocks);
  } else {
    weight.absmax = reader.floats(".absmax", blocks,
                                  fmt::format("one for each {} of {} elements", weight.block, n));
  }
  return weight;
}

FourBitParts four_bit_parts(const FourBitTensor& weight, const std::string& name) {
  FourBitParts parts;
  const int64_t bytes = (weight.elements() + 1) / 2;
  parts.tensors[name] = {"U8", {bytes, 1}, weight.packed, static_cast<uint64_t>(bytes)};
  add_part(parts, name + ".quant_map", "F32", kernels::four_bit_values(weight.format), 16);
  FourBitState state{weight.format, weight.block, weight.dtype, weight.shape};
  if (weight.nested) {
    const NestedAbsmax& nested = *weight.nested;
    state.nested_block = nested.block;
    state.nested_offset = double{nested.offset};
    add_part(parts, name + ".absmax", "U8", nested.codes.data(), nested.codes.size());
    add_part(parts, name + ".nested_absmax", "F32", nested.absmax.data(), nested.absmax.size());
    add_part(parts, name + ".nested_quant_map", "F32", nested.map->values(), 256);
  } else {
    add_part(parts, name + ".absmax", "F32", weight.absmax.data(), weight.absmax.size());
  }
  const std::string text = four_bit_state_text(state);
  add_part(
      parts,
      fmt::format("{}.quant_state.bitsandbytes__{}", name, kernels::four_bit_name(weight.format)),
      "U8", text.data(), text.size());
  return parts;
}

NestedAbsmax nested_absmax(const std::vector<float>& scales) {
  const auto n = static_cast<int64_t>(scales.size());
  NestedAbsmax made;
  made.block = kernels::kNestedBlock;
  made.codes.resize(scales.size());
  made.absmax.resize(static_cast<size_t>((n + made.block - 1) / made.block));
  made.map = std::make_shared<kernels::ByteMap>(kernels::signed_dynamic_map());
  made.offset = kernels::quantize_scales(scales.data(), n, made.codes.data(), made.absmax.data());
  return made;
}

}  // namespace lethe
