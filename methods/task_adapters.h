// LoRA with a new adapter each task: what inclora and olora share.
//   y = W x + b + s (sum_{i < t} B_i A_i + B_t A_t) dropout(x)
// The earlier pairs are frozen and stacked along the rank, so that they cost one product.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/bf16_values.h"
#include "methods/adapters.h"

namespace lethe {

class TaskAdapter : public LowRankAdapter {
 public:
  /// Holds the pair of task 1.
  TaskAdapter(const LowRankOptions& options, Linear& seam, Model& model, at::Generator generator);
  /// Freezes the present pair and draws the pair of `task`, whose parameters have names of their
  /// own: nothing that a method knows of the earlier pairs is carried over to it.
  void begin_task(int64_t task, at::Generator generator);

  Tensor output(const Tensor& x, const Tensor& so_far) const override;
  void parameters(const ParameterVisitor& visit) override;
  void merge(Tensor& weight, Tensor& bias) const override;
  /// One pair of the rank of all: A's stacked, B's side by side, alpha raised to keep the scale.
  std::optional<AdapterForm> form() const override;
  void state(Archive& archive);

  Tensor a() const { return widened(a_); }
  Tensor b() const { return widened(b_); }
  /// The frozen A's (rank * (t - 1), in); undefined in the first task.
  Tensor earlier_a() const { return widened(earlier_a_); }

 private:
  std::string seam_;
  int64_t task_ = 1;
  Tensor earlier_a_;  // (rank * (t - 1), in)
  Tensor earlier_b_;  // (out, rank * (t - 1))
};

/// A strategy of such adapters.
class TaskAdapters : public Strategy {
 public:
  TaskAdapters(std::string method, const LowRankOptions& options)
      : method_(std::move(method)), options_(options) {}
  void prepare(Setup& setup) override;
  void adapt(Setup& setup, int64_t task) override;
  void state(Archive& archive) override;

 protected:
  const std::vector<std::shared_ptr<TaskAdapter>>& adapters() const { return adapters_; }

 private:
  std::string method_;
  LowRankOptions options_;
  std::vector<std::shared_ptr<TaskAdapter>> adapters_;
  int64_t task_ = 1;  // whose pairs are trained
};

}  // namespace lethe
