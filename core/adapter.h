// What a parameter-efficient method adds to a Linear seam. New PEFT methods are new adapters.
#pragma once

#include <cstdint>
#include <string>

#include "core/seam.h"

namespace lethe {

class Linear;

class Adapter {
 public:
  virtual ~Adapter();
  /// What the base product is given instead of x (..., in); x itself by default.
  virtual Tensor input(const Tensor& x) const { return x; }
  /// The seam's output (..., out) from its input and what base and earlier adapters made of it.
  virtual Tensor output(const Tensor& x, const Tensor& so_far) const = 0;
  /// Parameters by their names on disk after the seam's: "lora_A.weight".
  virtual void parameters(const ParameterVisitor& visit) = 0;
  /// Adds this adapter's part to the dense base weight (out, in) and to the bias (out, may be
  /// undefined). Throws Error where the adapter can't be merged.
  virtual void merge(Tensor& weight, Tensor& bias) const = 0;
  /// Dropout and the like are on in training only.
  virtual void train(bool /*on*/) {}
  /// Trainable values, counted by the parameters that require a gradient.
  int64_t trainable_count();
};

}  // namespace lethe
