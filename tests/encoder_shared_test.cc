// BERT with its classification head against transformers' golden values.
#include "tests/catch.h"
// After Catch.
#include "core/models/hf_encoder.h"
#include "core/text/load_tokenizer.h"
#include "experiments/streams/text.h"
#include "tests/files.h"
#include "tests/golden_model.h"
#include "tests/tensors.h"

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

/// A vocabulary of as many words as the fixture has ids: [PAD] ... [MASK], w5 to w229.
std::shared_ptr<const Tokenizer> numbered_words(const Scratch& scratch) {
  std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int id = 5; id < 230; ++id) words += fmt::format("w{}\n", id);
  scratch.write("vocab.txt", words);
  return load_tokenizer(scratch.folder());
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

// Recorded with transformers 4.57.6: BertTokenizerFast(a, b, truncation="longest_first",
// max_length=12, padding=True) over the words above, and BertForSequenceClassification.
TEST_CASE(
    "bert reads the pairs of a text task as transformers does, from the texts to the logits") {
  const auto hf = shared_path("fixtures/hf");
  if (!hf) return;
  const Scratch scratch;
  const std::string file = scratch.write("pairs.csv", R"(a,b,label
"w90 W220 w140, w23",w214 w18,0
w150 w56 w218 w141 w178 w176 w184 w171 w9,w177 w190 w156 w62 w31 w32 w33 w34 w35,1
w7 w8,,2
)");
  TextTaskSpec task{.name = "pairs", .prompt = "{a}", .second = "{b}", .labels = {"0", "1", "2"}};
  task.train = task.validation = task.test = file;
  const ModelRows rows{RowForm::classes, 0, "bert"};
  const TaskStream stream =
      make_text_stream({task}, {.max_length = 12}, numbered_words(scratch), rows);
  const Batch batch = stream.tasks[0].test->batch({0, 1, 2});
  CHECK(integers(batch.inputs) ==
        std::vector<int64_t>{2, 90,  220, 140, 1,   23, 3,   214, 18,  3,  0,  0,  //
                             2, 150, 56,  218, 141, 3,  177, 190, 156, 62, 31, 3,  //
                             2, 7,   8,   3,   3,   0,  0,   0,   0,   0,  0,  0});
  CHECK(integers(batch.token_types) == std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0,  //
                                                            0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1,  //
                                                            0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  const at::NoGradGuard no_grad;
  const Tensor expected = at::tensor({-1.1182630F, -1.5210793F, 0.6964166F,  //
                                      -1.1275839F, -1.3343277F, 0.0142478F,  //
                                      -1.2852693F, -1.7159443F, -0.6863552F})
                              .view({3, 3});
  CHECK(largest_difference(bert(*hf / "bert_cls")->forward(batch), expected) < 1e-5);
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
