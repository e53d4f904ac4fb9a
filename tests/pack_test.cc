// Packed rows: where they stand, and that losses and gradients are those of rows by themselves.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "core/loss.h"
#include "core/models/decoder.h"
#include "core/pack.h"
#include "tests/tensors.h"
#include "tests/toys.h"

using namespace lethe;
using Ids = std::vector<int64_t>;

namespace {

/// Rows of 1, 4, 2 and 3 input tokens; the last token of each is predicted, or all.
TextRows rows(Predict predict = Predict::response) {
  return TextRows(std::make_shared<WordTokenizer>(std::vector<std::string>{}),
                  {{{10}, {11}}, {{20, 21, 22, 23}, {24}}, {{30, 31}, {32}}, {{40, 41, 42}, {43}}},
                  {.name = "t", .predict = predict});
}

Batch all(const TextRows& rows) { return rows.batch({0, 1, 2, 3}); }

/// A decoder with rotary positions, grouped keys and a gate, or in another form of `form`.
std::unique_ptr<Model> decoder(const std::string& form) {
  ModelShape shape;
  shape.vocabulary = 258;
  shape.longest = 16;
  return model_entry("decoder").make(
      {{"family", form}, {"width", "16"}, {"layers", "2"}, {"heads", "2"}, {"pretrain_steps", "0"}},
      shape, make_generator(3));
}

/// Loss and gradients of every parameter.
std::pair<double, Tensor> loss_and_gradient(Model& model, const Batch& batch) {
  for (const Parameter& parameter : model.parameters()) {
    Tensor value = parameter.value;
    value.set_requires_grad(true);
    value.mutable_grad() = Tensor();
  }
  const Tensor loss = task_loss(model.forward(batch), batch);
  torch::autograd::backward({loss}, {});
  std::vector<Tensor> gradients;
  for (const Parameter& parameter : model.parameters()) {
    const Tensor gradient = parameter.value.grad();
    gradients.push_back(gradient.defined() ? gradient.reshape({-1})
                                           : at::zeros({parameter.value.numel()}));
  }
  return {loss.item<double>(), at::cat(gradients)};
}

}  // namespace

TEST_CASE("rows are packed longest first, each where there is room") {
  const Batch batch = packed(all(rows()), 6);
  // 4 + 2 tokens, then 3 + 1.
  CHECK(integers(batch.inputs) == Ids{20, 21, 22, 23, 30, 31, 40, 41, 42, 10, 0, 0});
  CHECK(integers(batch.segments) == Ids{1, 1, 1, 1, 2, 2, 3, 3, 3, 0, -1, -1});
  CHECK(integers(batch.position_ids) == Ids{0, 1, 2, 3, 0, 1, 0, 1, 2, 0, 0, 0});
  CHECK(integers(batch.positions) == Ids{9, 3, 5, 8});  // in the order of the rows
  CHECK(integers(batch.row_of) == Ids{0, 1, 2, 3});
  CHECK(integers(batch.targets) == Ids{11, 24, 32, 43});
  CHECK(integers(batch.row_ids) == Ids{0, 1, 2, 3});
  CHECK(batch.rows() == 4);
  CHECK(batch.tokens == 10);
  CHECK(integers(batch.mask.to(at::kLong)) == Ids{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0});
}

TEST_CASE("a batch in which no two rows fit together stays as it is") {
  CHECK_FALSE(packed(rows().batch({1, 3}), 6).packed());
  CHECK(packed(rows().batch({1, 3}), 7).packed());
  CHECK(packed(rows().batch({1, 0}), 3).inputs.size(0) == 2);  // a row above the length is alone
}

TEST_CASE("a token sees its row up to itself and nothing else") {
  const Tensor seen = segment_mask(at::tensor(Ids{0, 0, 1, -1}, at::kLong).view({1, 4}));
  CHECK(integers(seen.to(at::kLong)) == Ids{1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
}

TEST_CASE("packed rows have the loss and the gradients of rows by themselves, in every form") {
  for (const char* form : {"gpt2", "opt", "bloom", "llama"}) {
    for (const Predict predict : {Predict::response, Predict::all}) {
      CAPTURE(form, predict == Predict::all);
      const auto model = decoder(form);
      const Batch plain = all(rows(predict)), tight = packed(plain, 6);
      REQUIRE(tight.packed());
      const auto [loss, gradient] = loss_and_gradient(*model, plain);
      const auto [packed_loss, packed_gradient] = loss_and_gradient(*model, tight);
      CHECK(packed_loss == Approx(loss).epsilon(1e-6));
      const double off = (packed_gradient - gradient).abs().max().item<double>();
      CHECK(off <= 1e-6 * std::max(1.0, gradient.abs().max().item<double>()));
      CHECK(gradient.abs().max().item<double>() > 1e-3);
    }
  }
}

TEST_CASE("weights of rows and rows that are right mean the same when packed") {
  const auto model = decoder("llama");
  Batch plain = all(rows(Predict::all));
  plain.weights = at::tensor({1.F, 0.F, 3.F, 0.5F});
  const Batch tight = packed(plain, 6);
  const at::NoGradGuard no_grad;
  CHECK(task_loss(model->forward(tight), tight).item<double>() ==
        Approx(task_loss(model->forward(plain), plain).item<double>()).epsilon(1e-6));
  Batch answered = plain;
  answered.targets = model->forward(plain).argmax(1);
  CHECK(rows_right(model->forward(packed(answered, 6)), packed(answered, 6)) == 4);
}

TEST_CASE("training with packed rows ends near training without, and counts the same rows") {
  const auto run = [](int64_t pack) {
    const auto model = decoder("llama");
    const auto text = std::make_shared<TextRows>(rows(Predict::all));
    TaskStream stream;
    stream.name = "t";
    stream.tasks.push_back({"t", {"loss", "nats", false}, text, text, text, {}});
    Method method = method_of("finetune");
    TrainRequest request = small_request(*model, stream, method);
    request.options.samples = 0;
    request.options.batch = 4;
    request.options.pack = pack;
    return train(request);
  };
  const TrialResult plain = run(0), tight = run(6);
  CHECK(tight.curve.back().loss == Approx(plain.curve.back().loss).epsilon(1e-4));
  for (const auto* result : {&plain, &tight}) {
    for (const Timing& timing : result->timing) {
      if (timing.phase != "train") continue;
      CHECK(timing.samples == 24);
      CHECK(timing.tokens == 60);
    }
  }
}

TEST_CASE("a model that can't keep rows apart, and rows that are no text, are refused") {
  TaskStream stream = random_stream(Scenario::domain_incremental, 1);
  const auto model = mlp(6, 4, 1, 2);
  Method method = method_of("finetune");
  TrainRequest request = small_request(*model, stream, method);
  request.options.pack = 64;
  CHECK_THROWS_WITH(train(request),
                    "train.pack = 64, but this model can't keep packed rows apart; set it to 0");
  CHECK_THROWS_WITH(packed(stream.tasks[0].train->batch({0}), 8),
                    "only rows of text can be packed; set train.pack = 0");
}
