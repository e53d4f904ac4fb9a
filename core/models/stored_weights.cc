#include "core/models/stored_weights.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/formats/fourbit_tensor.h"
#include "core/formats/int8_tensor.h"
#include "core/memory.h"
#include "core/quantised_weight.h"

namespace lethe {
namespace {

Tensor mapped_as(const std::shared_ptr<const Checkpoint>& checkpoint, const StoredTensor& stored,
                 at::ScalarType type, const std::vector<int64_t>& shape) {
  const auto bytes = static_cast<int64_t>(stored.bytes);
  book_mapped(bytes);
  return at::from_blob(
      const_cast<uint8_t*>(stored.data), shape,
      [kept = checkpoint, bytes](void*) { book_mapped(-bytes); }, at::TensorOptions(type));
}

/// Codes in the file, whatever dtype they were packed into.
Tensor mapped_bytes(const std::shared_ptr<const Checkpoint>& checkpoint,
                    const StoredTensor& stored) {
  return mapped_as(checkpoint, stored, at::kByte, {static_cast<int64_t>(stored.bytes)});
}

}  // namespace

Tensor mapped_view(const std::shared_ptr<const Checkpoint>& checkpoint,
                   const StoredTensor& stored) {
  const at::ScalarType type = stored.dtype == "F32"   ? at::kFloat
                              : stored.dtype == "F16" ? at::kHalf
                              : stored.dtype == "F64" ? at::kDouble
                              : stored.dtype == "I8"  ? at::kChar
                                                      : at::kBFloat16;
  return mapped_as(checkpoint, stored, type, stored.shape);
}

bool StoredBases::is_part(const std::string& name, std::string* weight) const {
  return how_.base == "int8" ? beside_int8(name, weight) : beside_four_bit(name, weight);
}

std::unique_ptr<BaseWeight> StoredBases::read(const std::string& name, const Linear& seam) const {
  const bool int8 = how_.base == "int8";
  const auto& tensors = checkpoint_->tensors();
  if (int8 ? is_int8(tensors, name) : is_four_bit(tensors, name)) return read_codes(name, seam);
  const std::string module = name.substr(0, name.rfind('.'));
  if (seam.kind() == SeamKind::head || how_.skips(module)) return nullptr;
  const std::string expected = int8 ? fmt::format("I8 with '{}.SCB'", module)
                                    : fmt::format("codes with '{}.quant_state.bitsandbytes__{}'",
                                                  name, how_.base.substr(0, how_.base.find('-')));
  fail(
      "{}: {}, expected {}, as quantization_config says load_in_{}bit; write it quantised, or name "
      "'{}' in llm_int8_skip_modules",
      name, checkpoint_->at(name).dtype, expected, int8 ? 8 : 4, module);
}

std::unique_ptr<BaseWeight> StoredBases::read_codes(const std::string& name,
                                                    const Linear& seam) const {
  const auto& tensors = checkpoint_->tensors();
  const StoredTensor& stored = checkpoint_->at(name);
  if (how_.base == "int8") {
    const Int8Tensor weight =
        read_int8(checkpoint_->path(), tensors, name, seam.out_features(), seam.in_features());
    return make_int8(mapped_view(checkpoint_, stored), at::tensor(weight.absmax), how_.threshold);
  }
  const FourBitTensor weight = read_four_bit(checkpoint_->path(), tensors, name);
  const std::vector<int64_t> shape = {seam.out_features(), seam.in_features()};
  if (weight.shape != shape) {
    fail("{}: 4-bit codes of shape [{}], expected [{}]", name, fmt::join(weight.shape, ", "),
         fmt::join(shape, ", "));
  }
  auto base = make_four_bit(weight, mapped_bytes(checkpoint_, stored));
  if (base->format() == how_.base) return base;
  fail(
      "{}: stored as {}, but quantization_config says {} (bnb_4bit_quant_type, "
      "bnb_4bit_use_double_quant); they have to be of one model",
      name, base->format(), how_.base);
}

}  // namespace lethe
