// Embedding and normalisation seams.
#pragma once

#include <cstdint>
#include <string>

#include "core/seam.h"

namespace lethe {

/// Rows of a table by id.
class Embedding : public Seam {
 public:
  /// Look-ups of `padding_row` give it no gradient; -1 = none such.
  Embedding(std::string name, Tensor weight, int64_t padding_row = -1);
  Tensor forward(const Tensor& ids) const;  ///< (...) int64 -> (..., width)
  /// The table as a tied head: (..., width) -> (..., rows).
  Tensor as_head(const Tensor& hidden) const;
  const Tensor& weight() const { return weight_; }
  void parameters(const ParameterVisitor& visit) override;

 private:
  Tensor weight_;  // (rows, width)
  int64_t padding_row_;
};

/// LayerNorm (Ba et al. 2016, arXiv:1607.06450) or, without a bias, RMSNorm (Zhang & Sennrich 2019,
/// arXiv:1910.07467), over the last dimension.
class Norm : public Seam {
 public:
  enum class Form { layer, rms };
  Norm(std::string name, Form form, int64_t width, double epsilon);
  Tensor forward(const Tensor& x) const;  ///< same shape
  void parameters(const ParameterVisitor& visit) override;

 private:
  Form form_;
  double epsilon_;
  Tensor weight_, bias_;  // (width); bias undefined for rms
};

}  // namespace lethe
