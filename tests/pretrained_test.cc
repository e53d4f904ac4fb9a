// The model "pretrained" in sweeps: paths, digests, errors, and a trial of it.
#include "tests/catch.h"
// After Catch.
#include "core/trial.h"
#include "experiments/runner.h"
#include "tests/hf_folder.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

/// Wide enough for the built-in tokenizer's ids.
const std::string kConfig = R"({"model_type": "gpt2", "vocab_size": 1200, "n_embd": 8, "n_layer": 1,
    "n_head": 2, "n_positions": 256})";

std::string sweep(const std::string& path, const std::string& more = "") {
  return "[stream]\nname = \"instructions\"\ntrain_rows = 8\nvalidation_rows = 2\ntest_rows = 2\n"
         "[model]\nname = \"pretrained\"\npath = \"" +
         path + "\"\n" + more +
         "[train]\nsteps = 1\nbatch = 4\nsamples = 1\n"
         "[[method]]\nname = \"finetune\"\n[[method]]\nname = \"lora\"\n";
}

/// The folders here have no tokenizer of their own.
ModelTokenizer builtin(const Part&) { return {}; }

std::vector<Trial> trials(const std::string& text, const std::string& path = "s.toml") {
  return expand(parse_sweep(text, path), builtin_methods(), builtin);
}

double score(const TrialResult& result, int64_t after_task, const std::string& task) {
  for (const Evaluation& one : result.evaluations) {
    if (one.after_task == after_task && one.task == task) return one.score();
  }
  return -1;
}

}  // namespace

TEST_CASE("a trial holds the digest of config and weights, and no path") {
  const Scratch one, other;
  write_folder(one, kConfig);
  write_folder(other, kConfig);
  const auto here = trials(sweep(one.folder())), there = trials(sweep(other.folder()));
  REQUIRE(here.size() == 2);
  const std::string text = canonical_text(here[0].spec);
  CHECK(text == canonical_text(there[0].spec));
  CHECK(text.find(one.folder()) == std::string::npos);
  CHECK(here[0].spec.model.options.at("checkpoint").size() == 64);
  CHECK(here[0].model.options.at("path") == one.folder());
  CHECK(here[0].model_label ==
        "pretrained " + std::filesystem::path(one.folder()).filename().string());
  const auto fresh = trials(sweep(one.folder(), "init = \"random\"\n"));
  CHECK(fresh[0].spec.model.options.at("checkpoint") !=
        here[0].spec.model.options.at("checkpoint"));
}

TEST_CASE("paths of models are relative to the sweep file") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch.path("small"));
  scratch.write("small/config.json", kConfig);  // enough for init = random
  const auto found = trials(sweep("small", "init = \"random\"\n"), scratch.path("s.toml"));
  CHECK(found[0].model.options.at("path") == scratch.path("small"));
}

TEST_CASE("a folder that can't be the trial's model is refused at its line") {
  CHECK(
      refusal(
          "[model]\nname = \"pretrained\"\ninit = \"random\"\n[[method]]\nname = \"finetune\"\n") ==
      "s.toml:3: the model 'pretrained' needs path: a folder with config.json and "
      "model.safetensors, as the Hugging Face hub has them; set model.path");
  const Scratch scratch;
  const std::string folder = scratch.folder();
  CHECK(refusal(sweep(folder)) ==
        "s.toml:8: " + folder +
            " has no config.json; give a model's folder in Hugging Face's layout");
  scratch.write("config.json", R"({"model_type": "rwkv"})");
  CHECK(refusal(sweep(folder)) ==
        "s.toml:8: " + folder +
            "/config.json: 'model_type' is \"rwkv\", expected one of bert, bloom, gpt2, llama, "
            "mistral, mt5, opt, qwen2, t5");
  scratch.write("config.json", kConfig);
  CHECK(refusal(sweep(folder)) ==
        "s.toml:8: " + folder +
            " holds no weights; expected one of model.safetensors, model.safetensors.index.json, "
            "pytorch_model.bin, pytorch_model.bin.index.json");
}

TEST_CASE("a stream that does not fit the model is refused") {
  const Scratch scratch;
  write_folder(scratch, kConfig);
  const OptionMap options = {{"path", scratch.folder()}};
  const std::string config = scratch.folder() + "/config.json";
  const auto made = [&](const ModelShape& shape) {
    model_entry("pretrained").make(options, shape, make_generator(1));
  };
  ModelShape shape;
  shape.vocabulary = 1201;
  CHECK_THROWS_WITH(made(shape), config +
                                     ": the tokenizer has 1201 ids, and the model knows 1200; "
                                     "use the tokenizer of its folder");
  shape.vocabulary = 1200;
  shape.longest = 257;
  CHECK_THROWS_WITH(made(shape), config +
                                     ": the stream's longest row has 257 tokens, and the model "
                                     "takes 256; lower the stream's max_length");
  shape.features = 4;
  CHECK_THROWS_WITH(made(shape),
                    "the model 'pretrained' takes text, but the stream gives images; choose the "
                    "model 'mlp'");
  CHECK_THROWS_WITH(widened("pretrained", options, 2),
                    "a model 'pretrained' has no wider form: scale is 2, expected 1; or choose the "
                    "model 'decoder'");
}

TEST_CASE("a head for another number of classes is refused, and a fresh one takes its place") {
  const std::string labels = R"("id2label": {"0": "a", "1": "b", "2": "c"}})";
  const std::string bert = R"({"model_type": "bert", "vocab_size": 20, "hidden_size": 8,
      "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
      "initializer_range": 0.02, )" +
                           labels;
  const std::string gpt2 = gpt2_text(R"(, "initializer_range": 0.02,
      "architectures": ["GPT2ForSequenceClassification"], )" +
                                     labels.substr(0, labels.size() - 1));
  for (const std::string& config : {bert, gpt2}) {
    const Scratch scratch;
    const auto stored = write_folder(scratch, config);
    const std::string head = config == bert ? "classifier" : "score";
    const auto made = [&](int64_t classes, const std::string& which, int64_t seed) {
      const OptionMap options = {{"path", scratch.folder()}, {"head", which}};
      return model_entry("pretrained").make(options, {0, classes}, make_generator(seed));
    };
    CHECK_THROWS_WITH(
        made(2, "checkpoint", 1),
        scratch.folder() + ": the head '" + head +
            "' was made for 3 classes, but the labels of the stream's tasks are 2; give the tasks "
            "3 labels in all, or set model.head = \"new\" for a fresh head of 2");
    const auto values = [&](Model& model) {
      std::map<std::string, Tensor> all;
      for (Parameter& parameter : model.parameters()) all[parameter.name] = parameter.value;
      return all;
    };
    const auto whole = made(3, "checkpoint", 1), fresh = made(2, "new", 1);
    const auto same = made(2, "new", 1), other = made(2, "new", 2), three = made(3, "new", 1);
    const Tensor weight = values(*fresh).at(head + ".weight");
    CHECK(weight.sizes() == at::IntArrayRef({2, 8}));
    CHECK(weight.std().item<double>() == Approx(0.02).epsilon(0.6));
    CHECK(weight.equal(values(*same).at(head + ".weight")));
    CHECK_FALSE(weight.equal(values(*other).at(head + ".weight")));
    for (const auto& [name, value] : values(*stored)) {
      CHECK(value.equal(values(*whole).at(name)));
      const bool kept = value.equal(values(*three).at(name));
      CHECK(kept == !name.starts_with(head));
    }
  }
  const Scratch scratch;
  write_folder(scratch, llama_text());
  CHECK_THROWS_WITH(
      model_entry("pretrained").make({{"path", scratch.folder()}, {"head", "new"}}, {}, {}),
      "model.head is new, but the model of " + scratch.folder() +
          " has no classification head; leave head out");
}

TEST_CASE("a fresh head is part of a trial's text, the folder's own is not") {
  const Scratch scratch;
  write_folder(scratch, kConfig);
  CHECK(trials(sweep(scratch.folder()))[0].spec.model.options.count("head") == 0);
  const auto fresh = trials(sweep(scratch.folder(), "head = \"new\"\n"));
  CHECK(fresh[0].spec.model.options.at("head") == "new");
}

TEST_CASE("a pretrained model is trained, and scored against a random one of its shape") {
  const Scratch scratch;
  write_folder(scratch, kConfig);
  const StrategyRegistry& registry = builtin_methods();
  RunSettings settings;
  settings.registry = &registry;
  const auto found = trials(sweep(scratch.folder()));
  const TrialResult full = run_trial(found[0], settings);
  CHECK(full.trainable_parameters == 9600 + 2048 + 288 + 552 + 48);
  CHECK(score(full, -1, full.task_names[0]) >= 0);
  CHECK(score(full, 0, "pretraining") != score(full, 1, "pretraining"));
  const TrialResult low = run_trial(found[1], settings);
  // Frozen weights lie transposed in the file, and their sums are rounded in another order.
  CHECK(score(low, 0, "pretraining") == Approx(score(full, 0, "pretraining")).epsilon(1e-6));
  const auto quantised = trials(sweep(scratch.folder(), "base = \"nf4\"\n"));
  const TrialResult four_bit = run_trial(quantised[1], settings);
  CHECK(four_bit.total_parameters < low.total_parameters);
}
