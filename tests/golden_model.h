// Models held to golden values of Hugging Face's transformers (../shared/fixtures/hf). Include
// tests/catch.h first.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/json_of.h"
#include "tests/peft_case.h"

namespace lethe {

/// Tensors of a file by the names that they have in it.
inline std::map<std::string, Tensor> stored_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path.string());
  std::map<std::string, Tensor> found;
  for (const auto& [name, stored] : file.tensors()) found[name] = tensor_of(stored);
  return found;
}

/// One row that is a whole batch, so that a trial steps on it again and again.
class OneBatch : public Rows {
 public:
  explicit OneBatch(Batch batch) : Rows(0), batch_(std::move(batch)) {}
  int64_t size() const override { return 1; }
  Batch batch(const std::vector<int64_t>&) const override { return batch_; }
  uint64_t fingerprint(int64_t) const override { return 0; }

 private:
  Batch batch_;
};

/// A fixture's folder, what is expected of it, and its batch (filled in by the caller).
struct Golden {
  explicit Golden(const std::filesystem::path& path)
      : folder(path),
        expected(stored_tensors(path / "expected.safetensors")),
        json(json_of(path / "expected.json")) {
    batch.inputs = expected.at("input_ids");
    batch.mask = expected.at("attention_mask").to(at::kBool);
    batch.row_ids = at::arange(batch.rows(), at::kLong);
  }

  std::filesystem::path folder;
  std::map<std::string, Tensor> expected;
  nlohmann::json json;
  Batch batch;
};

/// Largest error of a parameter's gradient over the largest value of its tensor, with its name. A
/// tensor with gradients below 1e-4, such as a key's bias, whose true gradient is 0, is held to
/// 1e-4 times the tolerance.
inline std::pair<double, std::string> worst_gradient(Model& model, const Golden& golden) {
  for (Parameter& parameter : model.parameters()) parameter.value.mutable_grad() = Tensor();
  torch::autograd::backward({task_loss(model.forward(golden.batch), golden.batch)}, {});
  auto theirs = stored_tensors(golden.folder / "expected_grads.safetensors");
  std::pair<double, std::string> worst{0, "none"};
  for (Parameter& parameter : model.parameters()) {
    const Tensor expected = theirs.at(parameter.name);
    const double scale = std::max(expected.abs().max().item<double>(), 1e-4);
    const double error = largest_difference(parameter.value.grad(), expected) / scale;
    worst = std::max(worst, {error, parameter.name});
    theirs.erase(parameter.name);
  }
  if (!theirs.empty()) return {1e9, "no parameter has the gradient " + theirs.begin()->first};
  return worst;
}

/// Losses and gradient norms before each of `steps` steps, and the loss after the last one.
struct StepsTaken {
  std::vector<double> losses, norms;
  double loss_after = 0;
};

inline StepsTaken steps_on(Model& model, const Batch& batch, Method& method,
                           const TrainOptions& options) {
  const auto rows = std::make_shared<OneBatch>(batch);
  TaskStream stream;
  stream.name = "one batch";
  stream.tasks.push_back({"one", {"loss", "nats", false}, rows, rows, rows, {}});
  if (!batch.positions.defined()) stream.classes = 3;
  TrainRequest request = small_request(model, stream, method);
  request.options = options;
  request.options.log_every = 1;
  const TrialResult result = train(request);
  StepsTaken taken;
  for (const CurvePoint& point : result.curve) {
    taken.losses.push_back(point.loss);
    taken.norms.push_back(point.gradient_norm);
  }
  taken.loss_after = result.evaluations.back().score();
  return taken;
}

/// The AdamW steps that the fixtures in hf/ took: decay on everything, the gradient's norm cut
/// to 1.
inline TrainOptions golden_adamw() {
  TrainOptions options;
  options.lr = 1e-3;
  options.weight_decay = 0.01;
  options.clip = 1;
  options.steps = 5;
  return options;
}

}  // namespace lethe
