// The adapter seam: a base weight and a list of adapters. Every Linear layer of every model is one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/adapter.h"
#include "core/base_weight.h"

namespace lethe {

class Linear : public Seam {
 public:
  /// weight (out, in); bias (out) or undefined. Both are trained until frozen.
  Linear(std::string name, Tensor weight, Tensor bias, SeamKind kind = SeamKind::linear);

  /// (..., in) -> (..., out): base product, then the adapters in the order in which they were
  /// added.
  Tensor forward(const Tensor& x) const;

  /// Whether the base weight was last asked to be trained, which a quantised one can't be.
  bool trains_weight() const { return trains_weight_; }
  int64_t in_features() const { return in_; }
  int64_t out_features() const { return out_; }
  BaseWeight& base() { return *base_; }
  const Tensor& bias() const { return bias_; }
  /// Replaces the base by the same weight in another of base_formats(): frozen, or dense again.
  void set_format(const std::string& format);
  /// Replaces the base by another weight of its shape, such as one that was stored quantised.
  void set_base(std::unique_ptr<BaseWeight> base);

  /// Lets the frozen base lie on the host, copied to `device` for each product (OffloadedWeight).
  void offload(const at::Device& device);
  void take_back();  ///< no longer; the base is on the host still
  bool offloaded() const;

  void add_adapter(std::shared_ptr<Adapter> adapter) { adapters_.push_back(std::move(adapter)); }
  void remove_adapter(const Adapter* adapter);  ///< nothing where it isn't here
  void clear_adapters() { adapters_.clear(); }
  const std::vector<std::shared_ptr<Adapter>>& adapters() const { return adapters_; }
  /// Merges every adapter into the dense base and drops them. A quantised base becomes dense.
  void merge_adapters();

  void parameters(const ParameterVisitor& visit) override;
  void set_trainable(bool trainable) override;

 private:
  int64_t in_, out_;
  bool trains_weight_ = false;
  std::unique_ptr<BaseWeight> base_;
  Tensor bias_;
  std::vector<std::shared_ptr<Adapter>> adapters_;
};

/// What each of the seams makes of one x, as forward() does, in one step of the graph where all of
/// them are dense, float32 and without adapters (core/dense_product.h).
std::vector<Tensor> forward_each(const std::vector<Linear*>& seams, const Tensor& x);

}  // namespace lethe
