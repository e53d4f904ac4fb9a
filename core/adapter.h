// What a parameter-efficient method adds to a Linear seam. New PEFT methods are new adapters.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/seam.h"

namespace lethe {

class Linear;

/// An adapter's values as peft keeps them on disk, by the ends of their names there.
///   lora   lora_A.weight (r, in), lora_B.weight (out, r): y + alpha / r B A x, or alpha / sqrt(r)
///   dora   the same, with lora_magnitude_vector (out)
///   ia3    ia3_l, (1, in) on the input or (out, 1) on the output
struct AdapterForm {
  enum class Kind { lora, dora, ia3 };
  Kind kind = Kind::lora;
  std::map<std::string, Tensor> values;
  double alpha = 1, dropout = 0;  ///< of lora and dora
  bool rslora = false;
  bool on_input = false;  ///< of ia3
  int64_t rank() const;   ///< r
  double scale() const;   ///< of B A
};

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
  /// Its values without a graph, as copies or shared; nullopt where peft has no adapter like it.
  virtual std::optional<AdapterForm> form() const { return std::nullopt; }
  /// The name of the set of adapters to which it belongs; it stands before its parameters' names,
  /// so that two adapters of one kind on one seam differ.
  const std::string& set() const { return set_; }
  void join(std::string set) { set_ = std::move(set); }
  /// Trainable values, counted by the parameters that require a gradient.
  int64_t trainable_count();

 private:
  std::string set_;
};

}  // namespace lethe
