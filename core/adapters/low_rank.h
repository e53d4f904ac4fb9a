// LoRA's product beside a Linear.
// Sources: Hu et al. 2021, arXiv:2106.09685; rank-stabilised: Kalajdzievski 2023, arXiv:2312.03732.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/model.h"
#include "core/options.h"

namespace lethe {

struct LowRankOptions {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;
  bool rslora = false;
  std::string targets = "all";
  std::string bias = "none";
  std::string modules_to_save;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("rank", rank, at_least(1), "inner dimension of the product");
    visit("alpha", alpha, above(0.0), "scale over rank");
    visit("dropout", dropout, below_from(0.0, 1.0), "on the adapter's input, in training");
    visit("rslora", rslora, any(), "scale by alpha / sqrt(rank)");
    visit("targets", targets, any(),
          "all (every Linear but the head), or name endings: q_proj,v_proj");
    visit("bias", bias, one_of({"none", "all", "lora_only"}), "which biases are trained beside");
    visit("modules_to_save", modules_to_save, any(),
          "seams trained whole, by name ending: classifier");
  }
};

/// LoRA's product beside a Linear: output + s B A dropout(x), s = alpha / rank, or alpha /
/// sqrt(rank) with rslora.
class LowRankAdapter : public Adapter {
 public:
  LowRankAdapter(const LowRankOptions& options, const Linear& seam, Model& model,
                 at::Generator generator);
  /// Of the values of a form, which are shared.
  LowRankAdapter(const AdapterForm& form, const Linear& seam, Model& model);
  Tensor output(const Tensor& x, const Tensor& so_far) const override;
  void parameters(const ParameterVisitor& visit) override;
  void merge(Tensor& weight, Tensor& bias) const override;
  void train(bool on) override { on_ = on; }
  std::optional<AdapterForm> form() const override;

 protected:
  /// A (rank, in) uniform in +-1/sqrt(in), B (out, rank) zero, both trained.
  void draw(at::Generator generator);
  bool drops() const { return on_ && options_.dropout > 0; }
  Tensor dropped(const Tensor& x) const;
  /// B A x, without the scale.
  Tensor product(const Tensor& x) const;
  double scale() const;

  Tensor a_;  // (rank, in)
  Tensor b_;  // (out, rank)

 private:
  LowRankOptions options_;
  Model& model_;
  int64_t in_, out_;
  bool on_ = false;
};

}  // namespace lethe
