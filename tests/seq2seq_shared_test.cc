// T5 in its two forms (relu and tied, gated and untied) against transformers' golden values.
#include "tests/catch.h"
// After Catch.
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

const char* const kForms[] = {"t5_v1_0", "t5_v1_1"};

/// Tolerances of the fixtures' README; t5_v1_1 is ill-conditioned over several steps.
double steps_tolerance(const std::string& name) { return name == "t5_v1_0" ? 1e-4 : 1e-2; }

using IdRows = std::vector<std::vector<int64_t>>;

IdRows sources_of(const Golden& golden) {
  IdRows sources;
  for (int64_t row = 0; row < golden.batch.rows(); ++row) {
    const Tensor ids = golden.batch.inputs[row].masked_select(golden.batch.mask[row]);
    sources.emplace_back(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel());
  }
  return sources;
}

/// As transformers gives sequences: the start, what was made, the end mark, then padding.
IdRows as_sequences(IdRows made, int64_t end_id, size_t longest) {
  for (auto& row : made) {
    const bool ended = row.size() < longest;
    row.insert(row.begin(), 0);
    if (ended) row.push_back(end_id);
    row.resize(longest + 1, 0);
  }
  return made;
}

}  // namespace

TEST_CASE("labels shifted right are transformers' decoder inputs") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    const Golden golden = golden_t5(*hf / name);
    CHECK(golden.batch.decoder_inputs.equal(golden.expected.at("decoder_input_ids")));
    CHECK(golden.batch.positions.numel() == 20);
  }
}

TEST_CASE("t5's logits and loss are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    CAPTURE(name);
    const Golden golden = golden_t5(*hf / name);
    const auto model = t5_fixture(*hf, name);
    const at::NoGradGuard no_grad;
    const Tensor logits = model->forward(every_position(golden.batch));
    const Tensor expected = golden.expected.at("logits");
    CHECK(largest_difference(logits, expected.view(logits.sizes())) < 1e-4);
    const double loss = task_loss(model->forward(golden.batch), golden.batch).item<double>();
    CHECK(std::abs(loss - golden.json.at("loss").get<double>()) < 1e-5);
  }
}

TEST_CASE("t5's states of every block are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    CAPTURE(name);
    const Golden golden = golden_t5(*hf / name);
    const auto model = t5_fixture(*hf, name);
    const at::NoGradGuard no_grad;
    const Seq2Seq::States states = model->states(golden.batch);
    CHECK(states.encoder.size() == 3);
    CHECK(states.decoder.size() == (name == std::string("t5_v1_0") ? 4 : 3));
    const Tensor real = golden.batch.mask.unsqueeze(2);
    for (size_t i = 0; i < states.encoder.size(); ++i) {
      const Tensor expected = golden.expected.at("encoder_hidden_states." + std::to_string(i));
      CHECK(largest_difference(states.encoder[i] * real, expected * real) < 1e-4);
    }
    for (size_t i = 0; i < states.decoder.size(); ++i) {
      const Tensor expected = golden.expected.at("decoder_hidden_states." + std::to_string(i));
      CHECK(largest_difference(states.decoder[i], expected) < 1e-4);
    }
  }
}

TEST_CASE("t5's gradients of every parameter are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    const Golden golden = golden_t5(*hf / name);
    const auto model = t5_fixture(*hf, name);
    const auto [error, parameter] = worst_gradient(*model, golden);
    CAPTURE(name, parameter);
    CHECK(error < 1e-3);
  }
}

TEST_CASE("five steps of t5 in the trainer are five AdamW steps of PyTorch") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    CAPTURE(name);
    const Golden golden = golden_t5(*hf / name);
    const auto model = t5_fixture(*hf, name);
    Method none;
    const StepsTaken taken = steps_on(*model, golden.batch, none, golden_adamw());
    const auto& adamw = golden.json.at("adamw_5_steps");
    REQUIRE(taken.losses.size() == 5);
    for (size_t step = 0; step < 5; ++step) {
      const auto& expected = adamw.at("steps").at(step);
      const double norm = expected.at("grad_norm_before_clip");
      CHECK(std::abs(taken.losses[step] - expected.at("loss").get<double>()) <
            steps_tolerance(name));
      CHECK(std::abs(taken.norms[step] - norm) < steps_tolerance(name) * norm);
    }
    CHECK(std::abs(taken.loss_after - adamw.at("loss_after").get<double>()) <
          steps_tolerance(name));
  }
}

TEST_CASE("t5 generates transformers' sequences, alone, in a batch, and to an end mark") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  for (const std::string name : kForms) {
    CAPTURE(name);
    const Golden golden = golden_t5(*hf / name);
    const auto model = t5_fixture(*hf, name);
    const IdRows sources = sources_of(golden);
    const auto& expected = golden.json.at("generate");
    const IdRows all = expected.at("sequences");
    CHECK(as_sequences(model->generate(sources, 12, 1), 1, 12) == all);
    CHECK(as_sequences(model->generate({sources[0]}, 12, 1), 1, 12) == IdRows{all[0]});
    const int64_t end = expected.at("eos_stop").at("eos_token_id");
    const IdRows stopped = expected.at("eos_stop").at("sequences");
    CHECK(as_sequences(model->generate(sources, 12, end), end, 12) == stopped);
  }
}
