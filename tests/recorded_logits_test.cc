// A teacher's recorded logits are those of its forward passes, row by row, for images and for text.
#include "core/recorded_logits.h"

#include "tests/catch.h"
// After Catch.
#include "tests/engine_case.h"

using namespace lethe;

namespace {

/// The final weights of a tiny perceptron after two tasks.
Tensor trained(Scenario scenario, const OptionMap& options) {
  const auto model = mlp(6, 8, 1, 4);
  TaskStream stream = random_stream(scenario, 2, 40);
  Method method = method_of("distill", options);
  TrainRequest request = small_request(*model, stream, method);
  request.options.optimizer = "sgd";  // Adam would blow rounding up where gradients vanish
  request.options.lr = 0.5;
  train(request);
  std::vector<Tensor> values;
  for (const Parameter& parameter : model->parameters())
    values.push_back(parameter.value.detach().flatten());
  return at::cat(values);
}

/// Rows of two or one predicted positions: row i predicts (i % 2) + 1 tokens, whose inputs are 10 i
/// + p.
class Sentences : public Rows {
 public:
  explicit Sentences(int64_t first_id) : Rows(first_id) {}
  int64_t size() const override { return 5; }
  uint64_t fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  Batch batch(const std::vector<int64_t>& indices) const override {
    std::vector<int64_t> ids, row_of, positions;
    std::vector<float> inputs;
    for (size_t row = 0; row < indices.size(); ++row) {
      ids.push_back(first_id() + indices[row]);
      for (int64_t p = 0; p < 2; ++p) {
        inputs.push_back(static_cast<float>(first_id() + 10 * indices[row] + p));
        if (p > indices[row] % 2) continue;
        row_of.push_back(static_cast<int64_t>(row));
        positions.push_back(static_cast<int64_t>(row) * 2 + p);
      }
    }
    Batch batch;
    batch.inputs = at::tensor(inputs).view({-1, 2});
    batch.row_ids = at::tensor(ids);
    batch.row_of = at::tensor(row_of);
    batch.positions = at::tensor(positions);
    return batch;
  }
};

/// Logits (x, -x) at each predicted position.
Tensor answers(const Batch& batch) {
  const Tensor x = batch.inputs.flatten().index_select(0, batch.positions);
  return at::stack({x, -x}, 1);
}

}  // namespace

TEST_CASE("recorded logits train the same weights as a forward pass in every step") {
  for (const Scenario scenario :
       {Scenario::task_incremental, Scenario::domain_incremental, Scenario::class_incremental}) {
    const Tensor recorded = trained(scenario, {{"logits", "recorded"}});
    const Tensor forward = trained(scenario, {{"logits", "forward"}});
    const Tensor plain = trained(scenario, {{"alpha", "0"}});
    CHECK((recorded - forward).abs().max().item<double>() < 2e-6);
    CHECK((recorded - plain).abs().max().item<double>() > 1e-3);
    CHECK(trained(scenario, {}).equal(recorded));  // auto, for a classifier
  }
}

TEST_CASE("positions of a row are found again in any order, from any part of the plan") {
  TrainingPlan plan;
  plan.parts.push_back({std::make_shared<Sentences>(0)});
  plan.parts.push_back({std::make_shared<Sentences>(1000)});
  RecordedLogits logits;
  logits.record(plan, 3, at::kCPU, answers);
  for (const auto& part : plan.parts) {
    const Batch batch = part.rows->batch({4, 1, 1, 3, 0});
    CHECK(logits.of(batch).equal(answers(batch)));
    CHECK(logits.of(batch).size(0) == 1 + 2 + 2 + 2 + 1);
  }
  const Sentences strangers(500);
  CHECK_THROWS_WITH(
      logits.of(strangers.batch({2})),
      "the teacher's logits of row 502 were not recorded; use distill.logits = forward");
}
