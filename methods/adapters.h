// What methods with adapters share: the seams they take, and LoRA's product.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"

namespace lethe {

/// Whether `name` is one of the comma-separated `endings`, or ends with a dot and one of them.
bool ends_with_one_of(const std::string& name, const std::string& endings);
/// "fc1, fc2, classifier".
std::string seam_names(Model& model);

/// Every Linear but the head where `targets` is "all", else those that it names by their endings.
/// Throws Error naming `method` and the model's Linears where there is none.
std::vector<Linear*> targeted(const std::string& method, Model& model, const std::string& targets);

/// Freezes the model, then calls `train` on the seams that `targets` names (every one where it is
/// "all"); false where it trained none.
bool train_only(Model& model, const std::string& targets, const std::function<bool(Seam&)>& train);

/// Trains the seam's bias; false where it has none.
bool train_bias(Seam& seam);
/// Trains every value of the seams that `endings` names (none where it is empty). Throws Error
/// naming `method` where it names no seam, or one with an adapter or among `targets`.
void train_whole(const std::string& method, Model& model, const std::string& endings,
                 const std::vector<Linear*>& targets = {});

/// Throws Error where a targeted base is quantised; `reason` says why the method can't take it.
void require_float(const std::string& method, Linear& seam, const std::string& reason);

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
  Tensor output(const Tensor& x, const Tensor& so_far) const override;
  void parameters(const ParameterVisitor& visit) override;
  void merge(Tensor& weight, Tensor& bias) const override;
  void train(bool on) override { on_ = on; }

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

/// Freezes the base, puts `make(seam)` on every target, then trains the biases and whole seams that
/// the options ask for.
void adapt_targets(const std::string& method, const LowRankOptions& options, Model& model,
                   const std::function<std::shared_ptr<Adapter>(Linear&)>& make);

}  // namespace lethe
