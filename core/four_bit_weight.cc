// NF4 and FP4 base weights, their scales nested or not.
#include <numeric>

#include "core/device_kernels.h"
#include "core/error.h"
#include "core/kernels/blockwise8.h"
#include "core/memory.h"
#include "core/quantised_weight.h"

namespace lethe {
namespace {

using MapHandle = std::shared_ptr<const kernels::ByteMap>;

/// The map under which scales are nested here; never freed.
MapHandle own_map() { return {MapHandle(), &kernels::signed_dynamic_map()}; }

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const Tensor values = tensor.cpu();
  const T* first = values.const_data_ptr<T>();
  return {first, first + values.numel()};
}

class FourBitWeight : public QuantisedWeight {
 public:
  FourBitWeight(kernels::FourBit format, const Tensor& weight, bool nested, int64_t block)
      : QuantisedWeight(weight.size(0), weight.size(1)),
        format_(format),
        nested_(nested),
        block_(block) {
    const MemoryTag tag(Category::base_weights);
    const Tensor dense = weight.detach().contiguous();
    const int64_t n = dense.numel();
    codes_ = at::empty({(n + 1) / 2}, dense.options().dtype(at::kByte));
    absmax_ = at::empty({(n + block - 1) / block}, dense.options());
    quantize_4bit_on(dense.device(), format, dense.const_data_ptr<float>(), n, block,
                     codes_.mutable_data_ptr<uint8_t>(), absmax_.mutable_data_ptr<float>());
    if (nested) nest();
    absmax_ = absmax_.to(weight.device());
  }

  FourBitWeight(const FourBitTensor& stored, Tensor codes)
      : QuantisedWeight(stored.shape.at(0), stored.shape.at(1)),
        format_(stored.format),
        nested_(stored.nested.has_value()),
        block_(stored.block),
        codes_(std::move(codes)) {
    const MemoryTag tag(Category::base_weights);
    if (!nested_) {
      absmax_ = at::tensor(stored.absmax);
      return;
    }
    const NestedAbsmax& nested = *stored.nested;
    absmax_ = at::tensor(nested.codes);
    nested_absmax_ = at::tensor(nested.absmax);
    offset_here_ = nested.offset;
    offset_ = at::full({1}, nested.offset, nested_absmax_.options());
    map_ = nested.map;
    nested_block_ = nested.block;
  }

  FourBitTensor stored(Tensor* codes) const {
    *codes = codes_.cpu();
    FourBitTensor made{.format = format_, .block = block_, .shape = {out(), in()}};
    made.packed = codes->const_data_ptr<uint8_t>();
    if (nested_) {
      made.nested = NestedAbsmax{values_of<uint8_t>(absmax_), values_of<float>(nested_absmax_),
                                 map_, offset(), nested_block_};
    } else {
      made.absmax = values_of<float>(absmax_);
    }
    return made;
  }

  Tensor dense() const override {
    if (codes_.is_cpu()) return dense_on_cpu();
    const MemoryTag tag(Category::workspace);
    return rows(0, out());
  }

  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", codes_);
    visit(prefix + ".weight.absmax", absmax_);
    if (!nested_) return;
    visit(prefix + ".weight.nested_absmax", nested_absmax_);
    visit(prefix + ".weight.nested_offset", offset_);
  }

  const char* format() const override {
    if (format_ == kernels::FourBit::fp4) return nested_ ? "fp4-dq" : "fp4";
    return nested_ ? "nf4-dq" : "nf4";
  }

 protected:
  void with_tiles(const Use& use) const override {
    const auto* packed = codes_.const_data_ptr<uint8_t>();
    if (nested_) {
      const kernels::NestedScales scales{map_.get(), absmax_.const_data_ptr<uint8_t>(),
                                         nested_absmax_.const_data_ptr<float>(), offset(),
                                         nested_block_};
      return use(kernels::FourBitTiles(format_, packed, scales, out(), in(), block_));
    }
    use(kernels::FourBitTiles(format_, packed, absmax_.const_data_ptr<float>(), out(), in(),
                              block_));
  }

  Tensor rows(int64_t from, int64_t n) const override {
    const int64_t begin = from * in(), count = n * in();
    const Tensor own = scales(begin / block_, (count + block_ - 1) / block_);
    const Tensor made = at::empty({n, in()}, own.options());
    dequantize_4bit_on(codes_.device(), format_, codes_.const_data_ptr<uint8_t>() + begin / 2,
                       own.const_data_ptr<float>(), count, block_, made.mutable_data_ptr<float>());
    return made;
  }
  /// Slices begin with a block, and so with a byte.
  int64_t slice_unit() const override { return block_ / std::gcd(block_, in()); }

 private:
  /// Quantises the scales once more.
  void nest() {
    const Tensor scales = absmax_.cpu();
    const int64_t n = scales.numel();
    absmax_ = at::empty({n}, scales.options().dtype(at::kByte));
    nested_absmax_ =
        at::empty({(n + kernels::kNestedBlock - 1) / kernels::kNestedBlock}, scales.options());
    offset_here_ = kernels::quantize_scales(scales.const_data_ptr<float>(), n,
                                            absmax_.mutable_data_ptr<uint8_t>(),
                                            nested_absmax_.mutable_data_ptr<float>());
    offset_ = at::full({1}, offset_here_, scales.options());
  }

  /// The nested scales' offset; on a GPU as it was made, so that no product waits for it.
  float offset() const { return offset_.is_cpu() ? offset_.item<float>() : offset_here_; }

  /// The float32 scales of `count` blocks from `first` on.
  Tensor scales(int64_t first, int64_t count) const {
    if (!nested_) return absmax_.narrow(0, first, count);
    const Tensor absmax = nested_absmax_.to(codes_.device());
    const kernels::NestedScales nested{map_.get(), absmax_.const_data_ptr<uint8_t>(),
                                       absmax.const_data_ptr<float>(), offset(), nested_block_};
    const Tensor made = at::empty({count}, absmax.options());
    dequantize_scales_on(codes_.device(), nested, first, count, made.mutable_data_ptr<float>());
    return made;
  }

  kernels::FourBit format_;
  bool nested_;
  int64_t block_;
  Tensor codes_;          // ((out * in + 1) / 2) uint8
  Tensor absmax_;         // (ceil(out * in / block)) float32, uint8 where nested
  Tensor nested_absmax_;  // (ceil(blocks / nested_block_)) float32
  Tensor offset_;         // (1) float32
  float offset_here_ = 0;
  MapHandle map_ = own_map();
  int64_t nested_block_ = kernels::kNestedBlock;
};

}  // namespace

std::unique_ptr<BaseWeight> make_four_bit(kernels::FourBit format, const Tensor& weight,
                                          bool nested, int64_t block) {
  kernels::check_four_bit_block(block);
  return std::make_unique<FourBitWeight>(format, weight, nested, block);
}

std::unique_ptr<BaseWeight> make_four_bit(const FourBitTensor& stored, Tensor codes) {
  return std::make_unique<FourBitWeight>(stored, std::move(codes));
}

FourBitTensor four_bit_tensor(const BaseWeight& weight, Tensor* codes) {
  const auto* four_bit = dynamic_cast<const FourBitWeight*>(&weight);
  if (four_bit == nullptr) fail("a weight in {} has no 4-bit codes", weight.format());
  return four_bit->stored(codes);
}

}  // namespace lethe
