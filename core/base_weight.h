// The weight under a Linear seam: dense (trained or frozen) or quantised (frozen).
#pragma once

#include <memory>
#include <string>

#include "core/base_formats.h"
#include "core/seam.h"

namespace lethe {

class BaseWeight {
 public:
  virtual ~BaseWeight();
  /// x (..., in) -> x W^T + bias (..., out). The gradient flows to x, and to W where it is trained.
  virtual Tensor apply(const Tensor& x, const Tensor& bias) const = 0;
  /// gy (..., out) W (..., in), without a graph: the gradient for x.
  virtual Tensor multiply_back(const Tensor& gy) const = 0;
  /// The weight as float32 (out, in): the tensor itself when dense and float32, else a new one.
  virtual Tensor dense() const = 0;
  /// The weight (out, in) itself where products may take it as it is: dense, float32, in place.
  virtual const Tensor* plain() const { return nullptr; }
  virtual void parameters(const std::string& prefix, const ParameterVisitor& visit) = 0;
  virtual const char* format() const = 0;  ///< one of base_formats()
};

/// weight (out, in) float32.
std::unique_ptr<BaseWeight> make_dense(Tensor weight);
/// Quantises in blocks of 64 along the row-major order (bitsandbytes' layout); frozen.
std::unique_ptr<BaseWeight> make_nf4(const Tensor& weight, int64_t block = 64);
/// By format name, 4-bit ones with `block` values a constant; throws naming the known formats.
std::unique_ptr<BaseWeight> make_base(const std::string& format, const Tensor& weight,
                                      int64_t block = 64);

}  // namespace lethe
