// BERT with its classification head against transformers' golden values.
#include "tests/catch.h"
// After Catch.
#include "core/models/hf_encoder.h"
#include "tests/files.h"
#include "tests/golden_model.h"

using namespace lethe;

namespace {

std::unique_ptr<Encoder> bert(const std::filesystem::path& folder) {
  const HfConfig file = HfConfig::read(folder.string());
  EncoderConfig config = encoder_config(file, 0);
  config.dropout = config.attention_dropout = config.head_dropout = 0;
  auto model = std::make_unique<Encoder>(config, make_generator(1));
  load_checkpoint(*model, std::make_shared<Checkpoint>(folder.string()), encoder_rules(file));
  return model;
}

Golden golden_bert(const std::filesystem::path& folder) {
  Golden golden(folder);
  golden.batch.token_types = golden.expected.at("token_type_ids");
  golden.batch.targets = golden.expected.at("labels");
  return golden;
}

}  // namespace

TEST_CASE("bert's logits, pooled states and loss are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const Golden golden = golden_bert(*hf / "bert_cls");
  const auto model = bert(golden.folder);
  const at::NoGradGuard no_grad;
  const Tensor logits = model->forward(golden.batch);
  CHECK(largest_difference(logits, golden.expected.at("logits")) < 1e-4);
  CHECK(largest_difference(model->pooled(model->hidden(golden.batch)),
                           golden.expected.at("pooler_output")) < 1e-4);
  CHECK(std::abs(task_loss(logits, golden.batch).item<double>() -
                 golden.json.at("loss").get<double>()) < 1e-5);
  Batch untyped = golden.batch;
  untyped.token_types = Tensor();
  CHECK(largest_difference(model->forward(untyped),
                           golden.expected.at("logits_no_token_type_ids")) < 1e-4);
}

TEST_CASE("bert's states of every layer are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const Golden golden = golden_bert(*hf / "bert_cls");
  const auto model = bert(golden.folder);
  const at::NoGradGuard no_grad;
  std::vector<Tensor> states;
  model->hidden(golden.batch, [&](const Tensor& x) { states.push_back(x); });
  REQUIRE(states.size() == 4);
  const Tensor real = golden.batch.mask.unsqueeze(2);
  for (size_t i = 0; i < states.size(); ++i) {
    const Tensor expected = golden.expected.at("hidden_states." + std::to_string(i));
    CHECK(largest_difference(states[i] * real, expected * real) < 1e-4);
  }
}

TEST_CASE("bert's gradients of every parameter are transformers'") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const Golden golden = golden_bert(*hf / "bert_cls");
  const auto model = bert(golden.folder);
  const auto [error, parameter] = worst_gradient(*model, golden);
  CAPTURE(parameter);
  CHECK(error < 1e-3);
}

TEST_CASE("five steps of bert in the trainer are five AdamW steps of PyTorch") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const Golden golden = golden_bert(*hf / "bert_cls");
  const auto model = bert(golden.folder);
  Method none;
  const StepsTaken taken = steps_on(*model, golden.batch, none, golden_adamw());
  const auto& adamw = golden.json.at("adamw_5_steps");
  REQUIRE(taken.losses.size() == 5);
  for (size_t step = 0; step < 5; ++step) {
    const auto& expected = adamw.at("steps").at(step);
    const double norm = expected.at("grad_norm_before_clip");
    CHECK(std::abs(taken.losses[step] - expected.at("loss").get<double>()) < 1e-4);
    CHECK(std::abs(taken.norms[step] - norm) < 1e-4 * norm);
  }
  CHECK(std::abs(taken.loss_after - adamw.at("loss_after").get<double>()) < 1e-4);
}

TEST_CASE("a legacy bert file without wrapper and heads loads, and its heads stay fresh") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const auto folder = *hf / "bert_cls";
  const HfConfig file = HfConfig::read(folder.string());
  const Scratch scratch;
  const std::string path = scratch.path("model.safetensors");
  const SafetensorsFile present((folder / "model.safetensors").string());
  std::map<std::string, StoredTensor> legacy;
  for (const auto& [name, stored] : present.tensors()) {
    if (name.find("pooler") != std::string::npos || name.starts_with("classifier")) continue;
    std::string old = name.substr(std::string("bert.").size());
    if (old.ends_with("LayerNorm.weight")) old.replace(old.size() - 6, 6, "gamma");
    if (old.ends_with("LayerNorm.bias")) old.replace(old.size() - 4, 4, "beta");
    legacy[old] = stored;
  }
  legacy["cls.seq_relationship.bias"] = present.at("classifier.bias");
  write_safetensors(path, legacy, {});
  const EncoderConfig config = encoder_config(file, 5);
  const auto checkpoint = std::make_shared<Checkpoint>(path);
  Encoder model(config, at::Generator(), make_generator(7));
  load_checkpoint(model, checkpoint, encoder_rules(file));
  const Golden golden = golden_bert(folder);
  const at::NoGradGuard no_grad;
  CHECK(largest_difference(model.hidden(golden.batch), bert(folder)->hidden(golden.batch)) == 0);
  CHECK(model.forward(golden.batch).sizes() == at::IntArrayRef({3, 5}));
  // The deviation of a fresh head, and none of zeros.
  for (Parameter& parameter : model.parameters()) {
    if (parameter.name != "classifier.weight" && parameter.name != "bert.pooler.dense.weight")
      continue;
    CHECK(parameter.value.std().item<double>() == Approx(0.02).epsilon(0.2));
  }
  Encoder shapes(config, at::Generator());
  CHECK_THROWS_WITH(load_checkpoint(shapes, checkpoint, encoder_rules(file)),
                    path +
                        " does not fit the model; its config.json and its weights have to be of "
                        "one model:\n  missing: bert.pooler.dense.weight\n  missing: "
                        "classifier.weight");
}
