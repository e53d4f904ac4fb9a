// Folders of bitsandbytes' codes in trials, plans and inspections, and written by export.
#include "tests/catch.h"
// After Catch.
#include "core/plan/plan.h"
#include "experiments/inspect.h"
#include "tests/coded_case.h"
#include "tests/deploy_case.h"
#include "tests/sweep_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

/// Rows of text on a folder without a tokenizer.
std::string coded_sweep(const std::string& path, const std::string& method,
                        const std::string& more = "", const std::string& options = "") {
  return "[stream]\nname = \"instructions\"\norder = \"sentiment,topic\"\ntrain_rows = 8\n"
         "validation_rows = 2\ntest_rows = 2\n[model]\nname = \"pretrained\"\npath = \"" +
         path + "\"\n" + more + "[train]\nsteps = 2\nbatch = 4\nsamples = 0\nlr = 0.05\n" +
         method_table(method, method == "lora" ? "rank = 2\n" : options);
}

/// Wide enough for the built-in tokenizer's ids.
const std::string kCodedConfig = R"({"model_type": "gpt2", "vocab_size": 1200, "n_embd": 8,
    "n_layer": 2, "n_head": 2, "n_positions": 256})";

std::vector<Trial> coded_trials(const std::string& text) {
  return expand(parse_sweep(text, "s.toml"), builtin_methods(),
                [](const Part&) { return ModelTokenizer(); });
}

std::string sweep_error(const std::string& text) {
  try {
    coded_trials(text);
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

TEST_CASE("a trial on a folder of codes is a trial with that base on the float one, bit for bit") {
  for (const std::string format : {"int8", "nf4", "nf4-dq", "fp4-dq"}) {
    CAPTURE(format);
    const CodedFolders made(kCodedConfig, 6, format);
    RunSettings settings;
    settings.registry = &builtin_methods();
    const auto run = [&](const std::string& text) {
      return run_trial(coded_trials(text)[0], settings);
    };
    const TrialResult stored = run(coded_sweep(made.coded.folder(), "lora"));
    const TrialResult quantised =
        run(coded_sweep(made.dense.folder(), "lora", "base = \"" + format + "\"\n"));
    CHECK(stored.weights_digest == quantised.weights_digest);
    CHECK(stored.trainable_parameters == quantised.trainable_parameters);
    CHECK(stored.total_parameters == quantised.total_parameters);
    REQUIRE(stored.evaluations.size() == quantised.evaluations.size());
    for (size_t i = 0; i < stored.evaluations.size(); ++i) {
      if (stored.evaluations[i].after_task < 0) continue;  // a random model, drawn in float
      CHECK(stored.evaluations[i].sum == quantised.evaluations[i].sum);
      CHECK(stored.evaluations[i].correct == quantised.evaluations[i].correct);
    }
    CHECK_THROWS_WITH(run(coded_sweep(made.coded.folder(), "finetune")), Contains(format));
  }
}

TEST_CASE("qlora takes a folder of NF4 as it is") {
  const CodedFolders made(kCodedConfig, 6, "nf4");
  const auto trials = coded_trials(coded_sweep(made.coded.folder(), "qlora", "", "rank = 2\n"));
  CHECK(trials[0].label == "qlora");
  CHECK(canonical_text(trials[0].spec) ==
        canonical_text(coded_trials(coded_sweep(made.coded.folder(), "lora"))[0].spec));
}

TEST_CASE("the base of an int8 folder is its own, and another is refused at its line") {
  const CodedFolders made(kCodedConfig);
  const std::string folder = made.coded.folder();
  const auto plain = coded_trials(coded_sweep(folder, "lora"));
  CHECK(plain[0].spec.model.options.at("base") == "int8");
  CHECK(plain[0].label == "lora on int8");
  const auto said = coded_trials(coded_sweep(folder, "lora", "base = \"int8\"\n"));
  CHECK(canonical_text(said[0].spec) == canonical_text(plain[0].spec));
  const auto refused = [&](const std::string& base) {
    return "model.base is " + base + ", but the weights of " + folder +
           " are stored as int8; leave base out, or take the folder of the float weights";
  };
  CHECK_THAT(sweep_error(coded_sweep(folder, "lora", "base = \"float\"\n")),
             Catch::EndsWith(": " + refused("float")) && Catch::StartsWith("s.toml:"));
  CHECK_THAT(sweep_error(coded_sweep(folder, "qlora")), Catch::EndsWith(": " + refused("nf4")));
  const auto fresh = coded_trials(coded_sweep(folder, "lora", "init = \"random\"\n"));
  CHECK(fresh[0].spec.model.options.at("base") == "float");
}

TEST_CASE("inspect counts a coded folder's parameters as its float model's, and says its dtype") {
  const CodedFolders made(llama_text(R"(, "torch_dtype": "float16")"), 4.5f);
  const FolderFacts facts = folder_facts(made.coded.folder());
  CHECK(facts.parameters == folder_facts(made.dense.folder()).parameters);
  CHECK(facts.groups == folder_facts(made.dense.folder()).groups);
  CHECK(facts.dtype == "int8 (bitsandbytes, outliers from 4.5), the rest float32");
  const CodedFolders four(llama_text(), 6, "nf4-dq");
  const FolderFacts nested = folder_facts(four.coded.folder());
  CHECK(nested.parameters == facts.parameters);
  CHECK(nested.dtype == "nf4-dq (bitsandbytes), the rest float32");
}

TEST_CASE("a plan for an int8 folder has its base") {
  const CodedFolders made(llama_text());
  const auto facts = model_facts(HfConfig::read(made.coded.folder()));
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

TEST_CASE("a folder of codes is written, and written from itself it is the same bytes") {
  const std::pair<const char*, const char*> cases[] = {
      {"gpt2", "int8"}, {"mt5", "int8"}, {"gpt2", "nf4-dq"}, {"mt5", "nf4"}, {"llama", "fp4-dq"}};
  for (const auto& [family, base] : cases) {
    CAPTURE(family, base);
    const CodedFolders made(coded_config(family), 6, base);
    const Scratch scratch;
    CHECK_THAT(said(exporting(made.dense.folder(), scratch.path("once"), base)),
               Contains("merged into the " + std::string(base) + " base: "));
    CHECK(said(exporting(scratch.path("once"), scratch.path("twice"), base))
              .find("logits differ by at most 0, mean KL 0 nats") != std::string::npos);
    for (const char* file : {"/model.safetensors", "/config.json"}) {
      CHECK((file_bytes(scratch.path("once") + file) == file_bytes(scratch.path("twice") + file)));
      CHECK((file_bytes(scratch.path("once") + file) == file_bytes(made.coded.folder() + file)));
    }
    CHECK_THAT(said(exporting(made.coded.folder(), scratch.path("dense"))),
               Contains("merged into the dequantised base: "));
    const std::string config = file_bytes(scratch.path("dense") + "/config.json");
    CHECK(config.find("quantization_config") == std::string::npos);
    CHECK(said(exporting(made.coded.folder(), scratch.path("float"), "float")) ==
          "the weights of " + made.coded.folder() + " are stored as " + base +
              ", so there is no float base; choose --base dequantised or " + base);
  }
  const CodedFolders t5(coded_config("mt5"));
  const SafetensorsFile file(t5.coded.path("model.safetensors"));
  CHECK(file.at("encoder.block.0.layer.1.DenseReluDense.wo.weight").dtype == "F32");
  CHECK_THAT(file_bytes(t5.coded.path("config.json")), Contains("\"lm_head\",\n      \"wo\""));
}
