// The places where a method may act on a model: each lists its parameters by their checkpoint
// names.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "core/torch.h"

namespace lethe {

enum class SeamKind { linear, embedding, norm, head };

/// Called with a parameter's checkpoint name and the tensor itself; tensors that require a gradient
/// are trained.
using ParameterVisitor = std::function<void(const std::string& name, Tensor& value)>;

class Seam {
 public:
  Seam(std::string name, SeamKind kind) : name_(std::move(name)), kind_(kind) {}
  virtual ~Seam();
  Seam(const Seam&) = delete;
  Seam& operator=(const Seam&) = delete;

  const std::string& name() const { return name_; }  ///< "layers.0.self_attn.q_proj"
  SeamKind kind() const { return kind_; }
  virtual void parameters(const ParameterVisitor& visit) = 0;
  /// Trains or freezes every base parameter of the seam (adapters keep what they have).
  virtual void set_trainable(bool trainable);

 private:
  std::string name_;
  SeamKind kind_;
};

}  // namespace lethe
