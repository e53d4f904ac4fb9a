// Frozen base weights in fewer bits: NF4, FP4, either with nested scales, LLM.int8() and bfloat16.
#pragma once

#include <functional>
#include <memory>

#include "core/base_weight.h"
#include "core/formats/fourbit_tensor.h"
#include "core/kernels/tile_product.h"

namespace lethe {

/// A frozen weight (out, in) that a product reads in parts, so that no dense weight is ever whole:
/// tile by tile on the CPU, elsewhere by slices of rows.
class QuantisedWeight : public BaseWeight {
 public:
  QuantisedWeight(int64_t out, int64_t in) : out_(out), in_(in) {}
  Tensor apply(const Tensor& x, const Tensor& bias) const override;
  Tensor multiply_back(const Tensor& gy) const override;

  /// y (n, out) = x (n, in) W^T + bias, which may be null; contiguous, on the CPU.
  virtual void multiply(const Tensor& x, const float* bias, Tensor& y) const;
  /// The same on another device, returned; bias may be undefined.
  virtual Tensor multiply_there(const Tensor& x, const Tensor& bias) const;

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }

 protected:
  using Use = std::function<void(const kernels::TiledWeight&)>;
  virtual void with_tiles(const Use& use) const = 0;  ///< on the CPU
  Tensor dense_on_cpu() const;                        ///< the weight as its tiles have it
  /// Rows [from, from + n) in float32 (n, in), where the weight lies; from and, but at the end, n
  /// are multiples of slice_unit().
  virtual Tensor rows(int64_t from, int64_t n) const = 0;
  virtual int64_t slice_unit() const { return 1; }

 private:
  int64_t out_, in_;
};

/// Whether a weight of that format is written as codes and scales: all but float and bf16.
bool has_codes(const std::string& format);

/// A contiguous copy, or the tensor itself, on the CPU, where int8 is quantised.
inline Tensor on_cpu(const Tensor& weight) { return weight.detach().cpu().contiguous(); }

/// 4-bit codes in blocks along the row-major order, in bitsandbytes' layout; `nested` quantises the
/// scales once more (double quantisation). Throws Error for a block size that the format lacks.
std::unique_ptr<BaseWeight> make_four_bit(kernels::FourBit format, const Tensor& weight,
                                          bool nested = false, int64_t block = 64);
/// The same of what is stored, on the CPU: `codes` are its packed ones, (bytes) uint8. Products
/// take the map and the block size of nested scales that are stored.
std::unique_ptr<BaseWeight> make_four_bit(const FourBitTensor& stored, Tensor codes);
/// A 4-bit weight as it is stored; `codes` becomes what owns its packed ones. Throws Error for a
/// weight of another format.
FourBitTensor four_bit_tensor(const BaseWeight& weight, Tensor* codes);
/// transformers' default.
constexpr float kUsualOutlier = 6;
/// LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339): 8-bit rows with one scale each. On the CPU
/// inputs are quantised by rows as well, and columns with a value of `threshold` or more stay in
/// float (0: none does); which columns those are depends on all rows that go through together. The
/// gradient for x is that of the dequantised weight, as if inputs were not rounded.
std::unique_ptr<BaseWeight> make_int8(const Tensor& weight, float threshold = kUsualOutlier);
/// The same of codes (out, in) int8 and the largest magnitudes of rows (out) float32 as they are.
std::unique_ptr<BaseWeight> make_int8(Tensor codes, Tensor absmax, float threshold);
/// From which on a column of inputs is an outlier; kUsualOutlier for a weight that is not int8.
float outlier_threshold(const BaseWeight& weight);
/// Rounded to bfloat16; products in float32.
std::unique_ptr<BaseWeight> make_bf16(const Tensor& weight);

}  // namespace lethe
