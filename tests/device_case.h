// Small trials that run on any device, to be compared with the CPU's. Include tests/catch.h first.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine_case.h"

namespace lethe {

/// Two tasks of two classes; the base in `format`. Fails for a tensor that was left on another
/// device.
inline TrialResult image_trial(const at::Device& device, const std::string& method,
                               const OptionMap& options = {}, const std::string& format = "float") {
  install_memory_meter();
  reset_phases();
  const auto model = mlp(6, 16, 2, 4);
  for (Linear* linear : model->linears()) {
    if (linear->kind() == SeamKind::linear) linear->set_format(format);
  }
  TaskStream stream = random_stream(Scenario::task_incremental, 2, 256);
  Method strategies = method_of(method, options);
  TrainRequest request = small_request(*model, stream, strategies);
  request.device = device;
  request.options.steps = 12;
  request.options.clip = 1;
  // Adam makes whole steps of the rounding in gradients that are 0, as past heads' are.
  if (method == "lwf" || method == "distill") {
    request.options.optimizer = "sgd";
    request.options.lr = 0.1;
  }
  request.open_teacher = [&](const TeacherRequest& asked) -> std::shared_ptr<Model> {
    std::shared_ptr<Model> teacher = mlp(6, static_cast<int64_t>(16 * asked.scale), 2, 4, 21);
    move_to(*teacher, device);
    return teacher;
  };
  return train(request);
}

/// Rows of five tokens, every second one padded; two of them are predicted.
class FiveTokens : public Rows {
 public:
  explicit FiveTokens(int64_t first_id) : Rows(first_id) {}
  int64_t size() const override { return 24; }
  uint64_t fingerprint(int64_t index) const override {
    return static_cast<uint64_t>(first_id() + index);
  }
  Batch batch(const std::vector<int64_t>& indices) const override {
    const auto rows = static_cast<int64_t>(indices.size());
    Batch batch;
    batch.inputs = at::zeros({rows, 5}, at::kLong);
    batch.mask = at::ones({rows, 5}, at::kBool);
    std::vector<int64_t> positions, row_of, targets, ids;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t index = indices[static_cast<size_t>(row)];
      for (int64_t t = 0; t < 5; ++t) batch.inputs[row][t] = token(3 * index + 5 * t);
      if (index % 2 == 1) batch.mask[row][4] = false;
      for (int64_t t = 2; t < 4; ++t) {
        positions.push_back(5 * row + t);
        row_of.push_back(row);
        targets.push_back(token(index + t + first_id()));
      }
      ids.push_back(first_id() + index);
    }
    batch.positions = at::tensor(positions);
    batch.row_of = at::tensor(row_of);
    batch.targets = at::tensor(targets);
    batch.row_ids = at::tensor(ids);
    batch.tokens = 5 * rows;
    return batch;
  }

 private:
  static int64_t token(int64_t n) { return 2 + n % 20; }
};

inline std::unique_ptr<Model> small_decoder(const std::string& family) {
  ModelShape shape;
  shape.vocabulary = 24;
  shape.longest = 16;
  return model_entry("decoder").make(
      {{"family", family}, {"width", "16"}, {"layers", "2"}, {"heads", "4"}}, shape,
      make_generator(3));
}

/// Two tasks of token rows, and a probe.
inline TrialResult text_trial(const at::Device& device, const std::string& family,
                              const std::string& method) {
  const auto model = small_decoder(family);
  TaskStream stream;
  stream.name = "tokens";
  for (int64_t t = 0; t < 2; ++t) {
    const RowsPtr rows = std::make_shared<FiveTokens>(100 * t);
    stream.tasks.push_back(
        {"task" + std::to_string(t + 1), {"exact_match", "fraction", true}, rows, rows, rows, {}});
  }
  stream.probes.push_back({"probe", {"loss", "nats", false}, stream.tasks[0].test});
  Method strategies = method_of(method);
  TrainRequest request = small_request(*model, stream, strategies);
  request.device = device;
  // Adam makes whole steps of the rounding in gradients that are 0, as those of a key's bias are.
  request.options.optimizer = "sgd";
  request.options.lr = 0.02;
  return train(request);
}

/// The same R matrix; losses, penalties and norms up to rounding.
inline void check_equal(const TrialResult& there, const TrialResult& here) {
  REQUIRE(there.evaluations.size() == here.evaluations.size());
  for (size_t i = 0; i < here.evaluations.size(); ++i) {
    CAPTURE(here.evaluations[i].after_task, here.evaluations[i].on_task);
    CHECK(there.evaluations[i].correct == here.evaluations[i].correct);
    CHECK(there.evaluations[i].total == here.evaluations[i].total);
    CHECK(there.evaluations[i].sum == Approx(here.evaluations[i].sum).epsilon(1e-4));
  }
  REQUIRE(there.curve.size() == here.curve.size());
  for (size_t i = 0; i < here.curve.size(); ++i) {
    CHECK(there.curve[i].loss == Approx(here.curve[i].loss).epsilon(1e-4));
    CHECK(there.curve[i].penalty == Approx(here.curve[i].penalty).epsilon(1e-3).margin(1e-7));
    CHECK(there.curve[i].gradient_norm == Approx(here.curve[i].gradient_norm).epsilon(1e-3));
  }
}

/// What image_trial() under si holds on a device that is not the CPU.
inline void check_si_memory(const TrialResult& result) {
  std::map<std::string, int64_t> train, evaluate;
  for (const Usage& usage : result.usage) {
    if (usage.device != "cuda") continue;
    if (usage.phase == "train") train[usage.category] = usage.peak;
    if (usage.phase == "evaluate") evaluate[usage.category] = usage.peak;
  }
  // 6 x 16 and 16 x 16 and 16 x 4 weights with their biases, each padded to 16 values.
  const int64_t arena = 4 * (96 + 16 + 256 + 16 + 64 + 16);
  CHECK(train["trained weights"] == arena);
  CHECK(train["gradients"] == arena);
  CHECK(train["optimizer"] == 2 * arena);
  CHECK(train["method state"] == 3 * arena);
  CHECK(train["base weights"] == 0);
  CHECK(train["other"] == 0);  // the backward pass, in autograd's thread, is under the trial's tags
  CHECK(train["activations"] > 0);
  CHECK(evaluate["activations"] > 0);
  CHECK(result.usage.back().category == "CUDA reserved");
  CHECK(result.usage.back().peak >= 7 * arena);
}

}  // namespace lethe
