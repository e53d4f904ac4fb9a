// (IA)^3's vector on a Linear: its output, bias included, or its input times a learned vector.
// Source: Liu et al. 2022, arXiv:2205.05638.
#pragma once

#include "core/linear.h"

namespace lethe {

class Ia3Adapter : public Adapter {
 public:
  /// Ones, trained, on the seam's input or else its output.
  Ia3Adapter(const Linear& seam, bool on_input);
  /// Of the values of a form, which are shared.
  explicit Ia3Adapter(const AdapterForm& form);

  Tensor input(const Tensor& x) const override;
  Tensor output(const Tensor& x, const Tensor& so_far) const override;
  void parameters(const ParameterVisitor& visit) override;
  void merge(Tensor& weight, Tensor& bias) const override;
  std::optional<AdapterForm> form() const override;

 private:
  Tensor scaled(const Tensor& x) const;

  bool on_input_;
  Tensor scale_;  // (1, in) or (out, 1): the shapes of peft's files, which broadcast over W
};

}  // namespace lethe
