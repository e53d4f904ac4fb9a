// The encoder on random weights: padding, refusals, config.json, and trials of text classification.
// Golden values: encoder_shared_test.cc.
#include "tests/catch.h"
// After Catch.
#include "core/models/hf_encoder.h"
#include "core/text/class_rows.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

EncoderConfig small_config(int64_t classes = 6) {
  EncoderConfig config;
  config.vocabulary = 260;
  config.classes = classes;
  config.width = 16;
  config.mlp_width = 32;
  config.layers = 2;
  config.heads = 2;
  config.max_length = 12;
  config.dropout = config.attention_dropout = config.head_dropout = 0;
  config.initial_deviation = 0.3;
  return config;
}

std::unique_ptr<Model> small_encoder(int64_t classes = 6) {
  return std::make_unique<Encoder>(small_config(classes), make_generator(4));
}

/// A word of the class's letter among others.
RowsPtr letter_rows(int64_t task, int64_t rows, int64_t first_id, bool masked) {
  Random random(static_cast<uint64_t>(first_id) + 1);
  std::vector<LabelledText> texts;
  const std::vector<std::string> labels = {"a", "b", "c", "d", "e", "f"};
  for (int64_t i = 0; i < rows; ++i) {
    const std::string& label = labels[static_cast<size_t>(2 * task + i % 2)];
    const std::string text(static_cast<size_t>(random.below(4)), 'z');
    texts.push_back({text + label, i % 3 == 0 ? "y" : "", label});
  }
  ClassRowsOptions options;
  options.name = "letters";
  options.first_id = first_id;
  options.classes = 6;
  if (masked) options.active = {2 * task, 2 * task + 1};
  const auto bytes = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  return make_class_rows(bytes, texts, labels, options);
}

TaskStream letter_stream(Scenario scenario) {
  TaskStream stream;
  stream.name = "letters";
  stream.scenario = scenario;
  stream.classes = 6;
  for (int64_t t = 0; t < 3; ++t) {
    const bool masked = scenario == Scenario::task_incremental;
    stream.tasks.push_back({"task " + std::to_string(t + 1),
                            {"accuracy", "fraction", true},
                            letter_rows(t, 24, 300 * t, masked),
                            letter_rows(t, 12, 300 * t + 100, masked),
                            letter_rows(t, 12, 300 * t + 200, masked),
                            {2 * t, 2 * t + 1}});
  }
  return stream;
}

TrialResult trial(const std::string& method, const OptionMap& options, Scenario scenario,
                  int64_t steps = 4) {
  const auto model = small_encoder();
  TaskStream stream = letter_stream(scenario);
  check_stream(stream);
  Method made = method_of(method, options);
  TrainRequest request = small_request(*model, stream, made);
  request.options.steps = steps;
  return train(request);
}

}  // namespace

TEST_CASE("padding and other rows change no class logits") {
  const auto model = small_encoder();
  const auto bytes = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  const auto rows = make_class_rows(bytes, {{"ab", "c", "x"}, {"defghi", "jkl", "x"}}, {"x"}, {});
  const at::NoGradGuard no_grad;
  const Tensor alone = model->forward(rows->batch({0}));
  const Tensor beside = model->forward(rows->batch({0, 1}));
  CHECK((alone[0] - beside[0]).abs().max().item<double>() < 1e-5);
  CHECK((beside[0] - beside[1]).abs().max().item<double>() > 1e-2);
}

TEST_CASE("a text classifier learns tasks and classes under every kind of method") {
  const auto tuned = trial("finetune", {}, Scenario::task_incremental, 60);
  // Right after its training each task is known; rows of the R matrix: before, then a task each.
  for (size_t t = 0; t < 3; ++t) CHECK(tuned.evaluations[3 * (t + 1) + t].score() > 0.9);
  const std::string finetune = trial("finetune", {}, Scenario::class_incremental).weights_digest;
  const std::pair<std::string, OptionMap> methods[] = {
      {"lora", {{"rank", "2"}, {"targets", "query,value"}, {"modules_to_save", "classifier"}}},
      {"ia3", {}},
      {"ewc", {{"rows", "4"}}},
      {"si", {}},
      {"mas", {{"rows", "4"}}},
      {"distill", {}},
      {"replay", {{"budget", "4"}}},
      {"derpp", {{"budget", "8"}}},
      {"a-gem", {{"budget", "4"}}}};
  for (const auto& [method, options] : methods) {
    CAPTURE(method);
    const TrialResult result = trial(method, options, Scenario::class_incremental);
    CHECK(result.evaluations.size() == 12);
    CHECK(result.weights_digest != finetune);
  }
}

TEST_CASE("ewc takes the exact labels of a text classifier where it is not told which") {
  const auto once = trial("ewc", {{"labels", "exact"}, {"rows", "4"}}, Scenario::class_incremental);
  CHECK(once.weights_digest ==
        trial("ewc", {{"labels", "auto"}, {"rows", "4"}}, Scenario::class_incremental)
            .weights_digest);
}

TEST_CASE("neutral settings train a text classifier exactly as finetune") {
  const auto digest = [](const std::string& method, const OptionMap& options) {
    return trial(method, options, Scenario::class_incremental).weights_digest;
  };
  const std::string finetune = digest("finetune", {});
  CHECK(digest("ewc", {{"lambda", "0"}, {"rows", "4"}}) == finetune);
  CHECK(digest("distill", {{"alpha", "0"}}) == finetune);
  CHECK(digest("replay", {{"budget", "0"}}) == finetune);
}

TEST_CASE("bert's config.json decides the shape, the stream the classes") {
  const std::string text = R"({"model_type": "bert", "vocab_size": 30522, "hidden_size": 768,
    "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "max_position_embeddings": 512, "hidden_act": "gelu", "classifier_dropout": null,
    "hidden_dropout_prob": 0.2, "id2label": {"0": "a", "1": "b", "2": "c"}})";
  const HfConfig file = HfConfig::parse(text, "config.json");
  const EncoderConfig config = encoder_config(file, 0);
  CHECK(config.classes == 3);
  CHECK(encoder_config(file, 7).classes == 7);
  CHECK(config.max_length == 512);
  CHECK(config.norm_epsilon == 1e-12);
  CHECK(config.head_dropout == 0.2);
  CHECK(config.attention_dropout == 0.1);
  CHECK(config.activation == Activation::gelu);
}

TEST_CASE("an encoder refuses what it does not have, by name") {
  const auto config = [](const std::string& more) {
    return encoder_config(
        HfConfig::parse(R"({"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 8, )" +
                            more + "}",
                        "config.json"),
        2);
  };
  CHECK_THROWS_WITH(config(R"("model_type": "roberta")"),
                    R"(config.json: 'model_type' is "roberta", expected bert)");
  CHECK_THROWS_WITH(
      config(R"("model_type": "bert", "position_embedding_type": "relative_key")"),
      R"(config.json: 'position_embedding_type' is "relative_key", expected absolute)");
  CHECK_THROWS_WITH(
      config(R"("model_type": "bert", "hidden_act": "mish")"),
      "config.json: 'hidden_act' is \"mish\", expected one of relu, gelu, gelu_new, gelu_fast, "
      "gelu_pytorch_tanh, silu, swish");
  EncoderConfig odd = small_config();
  odd.heads = 3;
  CHECK_THROWS_WITH(Encoder(odd, make_generator(1)),
                    "encoder: width 16 is not a multiple of heads 3; change one of them");
  odd.heads = 0;
  CHECK_THROWS_WITH(Encoder(odd, make_generator(1)), "encoder: heads is 0; expected at least 1");
  const auto model = small_encoder();
  Batch batch;
  batch.inputs = at::ones({2, 13}, at::kLong);
  CHECK_THROWS_WITH(
      model->forward(batch),
      "encoder: a row has 13 tokens, but the model has 12 positions; shorten the rows");
}
