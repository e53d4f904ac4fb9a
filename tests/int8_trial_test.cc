// Folders of bitsandbytes' int8 weights in trials, plans and inspections, and written by export.
#include "tests/catch.h"
// After Catch.
#include "core/plan/plan.h"
#include "experiments/inspect.h"
#include "tests/deploy_case.h"
#include "tests/int8_case.h"
#include "tests/sweep_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

/// Rows of text on a folder without a tokenizer.
std::string int8_sweep(const std::string& path, const std::string& method,
                       const std::string& more = "") {
  return "[stream]\nname = \"instructions\"\norder = \"sentiment,topic\"\ntrain_rows = 8\n"
         "validation_rows = 2\ntest_rows = 2\n[model]\nname = \"pretrained\"\npath = \"" +
         path + "\"\n" + more + "[train]\nsteps = 2\nbatch = 4\nsamples = 0\nlr = 0.05\n" +
         method_table(method, method == "lora" ? "rank = 2\n" : "");
}

/// Wide enough for the built-in tokenizer's ids.
const std::string kInt8Config = R"({"model_type": "gpt2", "vocab_size": 1200, "n_embd": 8,
    "n_layer": 2, "n_head": 2, "n_positions": 256})";

std::vector<Trial> int8_trials(const std::string& text) {
  return expand(parse_sweep(text, "s.toml"), builtin_methods(),
                [](const Part&) { return ModelTokenizer(); });
}

std::string sweep_error(const std::string& text) {
  try {
    int8_trials(text);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

ExportArguments exporting(const std::string& what, const std::string& to,
                          const std::string& base = "") {
  ExportArguments arguments;
  arguments.what = what;
  arguments.to = to;
  arguments.base = base;
  arguments.merge = true;
  return arguments;
}

}  // namespace

TEST_CASE("a trial on an int8 folder is a trial with base int8 on the float one, bit for bit") {
  const Int8Folders made(kInt8Config);
  RunSettings settings;
  settings.registry = &builtin_methods();
  const auto run = [&](const std::string& text) {
    return run_trial(int8_trials(text)[0], settings);
  };
  const TrialResult stored = run(int8_sweep(made.int8.folder(), "lora"));
  const TrialResult quantised = run(int8_sweep(made.dense.folder(), "lora", "base = \"int8\"\n"));
  CHECK(stored.weights_digest == quantised.weights_digest);
  CHECK(stored.trainable_parameters == quantised.trainable_parameters);
  CHECK(stored.total_parameters == quantised.total_parameters);
  REQUIRE(stored.evaluations.size() == quantised.evaluations.size());
  for (size_t i = 0; i < stored.evaluations.size(); ++i) {
    if (stored.evaluations[i].after_task < 0) continue;  // a random model, drawn in float
    CHECK(stored.evaluations[i].sum == quantised.evaluations[i].sum);
    CHECK(stored.evaluations[i].correct == quantised.evaluations[i].correct);
  }
  CHECK_THROWS_WITH(run(int8_sweep(made.int8.folder(), "finetune")), Contains("int8"));
}

TEST_CASE("the base of an int8 folder is its own, and another is refused at its line") {
  const Int8Folders made(kInt8Config);
  const std::string folder = made.int8.folder();
  const auto plain = int8_trials(int8_sweep(folder, "lora"));
  CHECK(plain[0].spec.model.options.at("base") == "int8");
  CHECK(plain[0].label == "lora on int8");
  const auto said = int8_trials(int8_sweep(folder, "lora", "base = \"int8\"\n"));
  CHECK(canonical_text(said[0].spec) == canonical_text(plain[0].spec));
  const auto refused = [&](const std::string& base) {
    return "model.base is " + base + ", but the weights of " + folder +
           " are stored as int8; leave base out, or take the folder of the float weights";
  };
  CHECK_THAT(sweep_error(int8_sweep(folder, "lora", "base = \"float\"\n")),
             Catch::EndsWith(": " + refused("float")) && Catch::StartsWith("s.toml:"));
  CHECK_THAT(sweep_error(int8_sweep(folder, "qlora")), Catch::EndsWith(": " + refused("nf4")));
  const auto fresh = int8_trials(int8_sweep(folder, "lora", "init = \"random\"\n"));
  CHECK(fresh[0].spec.model.options.at("base") == "float");
}

TEST_CASE("inspect counts an int8 folder's parameters as its float model's, and says its dtype") {
  const Int8Folders made(llama_text(R"(, "torch_dtype": "float16")"), 4.5f);
  const FolderFacts facts = folder_facts(made.int8.folder());
  CHECK(facts.parameters == folder_facts(made.dense.folder()).parameters);
  CHECK(facts.groups == folder_facts(made.dense.folder()).groups);
  CHECK(facts.dtype == "int8 (bitsandbytes, outliers from 4.5), the rest float32");
}

TEST_CASE("a plan for an int8 folder has its base") {
  const Int8Folders made(llama_text());
  const auto facts = model_facts(HfConfig::read(made.int8.folder()));
  const auto dense = model_facts(HfConfig::read(made.dense.folder()));
  plan::PlanRequest request;
  request.method = "lora";
  request.batch = 2;
  request.length = 16;
  plan::PlanRequest eight = request, four = request, full = request;
  eight.base = "int8";
  four.base = "nf4";
  full.method = "finetune";
  CHECK(plan::account(facts, request).base == "int8");
  CHECK(plan::account(facts, request).peak() == plan::account(dense, eight).peak());
  CHECK(plan::account(facts, request).states < plan::account(dense, request).states);
  CHECK_THROWS_WITH(plan::account(facts, four),
                    "lora has the base nf4, but the folder's weights are stored as int8; leave "
                    "--base out");
  full.base = "float";
  CHECK_THROWS_WITH(plan::account(facts, full),
                    "finetune has the base float, but the folder's weights are stored as int8; "
                    "leave --base out");
  full.base = "";
  CHECK_THROWS_WITH(plan::account(facts, full),
                    "finetune trains 'model.layers.0.self_attn.q_proj', which is int8; "
                    "choose lora");
}

TEST_CASE("an int8 folder is written, and written from itself it is the same bytes") {
  for (const char* family : {"gpt2", "mt5"}) {
    CAPTURE(family);
    const Int8Folders made(int8_config(family));
    const Scratch scratch;
    CHECK_THAT(said(exporting(made.dense.folder(), scratch.path("once"), "int8")),
               Contains("merged into the int8 base: "));
    CHECK(said(exporting(scratch.path("once"), scratch.path("twice"), "int8"))
              .find("logits differ by at most 0, mean KL 0 nats") != std::string::npos);
    for (const char* file : {"/model.safetensors", "/config.json"}) {
      CHECK((file_bytes(scratch.path("once") + file) == file_bytes(scratch.path("twice") + file)));
      CHECK((file_bytes(scratch.path("once") + file) == file_bytes(made.int8.folder() + file)));
    }
    CHECK_THAT(said(exporting(made.int8.folder(), scratch.path("dense"))),
               Contains("merged into the dequantised base: "));
    const std::string config = file_bytes(scratch.path("dense") + "/config.json");
    CHECK(config.find("quantization_config") == std::string::npos);
    CHECK(said(exporting(made.int8.folder(), scratch.path("float"), "float")) ==
          "the weights of " + made.int8.folder() +
              " are stored as int8, so there is no float base; choose --base dequantised or int8");
  }
  const Int8Folders t5(int8_config("mt5"));
  const SafetensorsFile file(t5.int8.path("model.safetensors"));
  CHECK(file.at("encoder.block.0.layer.1.DenseReluDense.wo.weight").dtype == "F32");
  CHECK_THAT(file_bytes(t5.int8.path("config.json")), Contains("\"lm_head\",\n      \"wo\""));
}
