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
