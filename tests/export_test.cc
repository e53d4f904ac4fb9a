// `lethe export`: adapter folders and merged models, and what is refused.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "core/formats/peft_config.h"
#include "core/formats/safetensors.h"
#include "tests/deploy_case.h"
#include "tests/image_set.h"

using namespace lethe;
using Catch::Contains;
using Catch::StartsWith;

namespace {

/// Trials 1 lora, 2 finetune, 3 prompt, 4 qlora on a LLaMA, 5 lora on a GPT-2; made once.
const DeployCase& trials() {
  static const DeployCase& made = [&]() -> DeployCase& {
    static DeployCase fresh;
    fresh.run(small_sweep(kLora + method_table("finetune") +
                          method_table("prompt", "tokens = 2\n") +
                          method_table("qlora", "rank = 2\n")));
    fresh.run(small_sweep(kLora, "family = \"gpt2\"\n"));
    return fresh;
  }();
  return made;
}

ExportArguments merging(const std::string& trial, const std::string& folder,
                        const std::string& base = "") {
  ExportArguments arguments = trials().to(trial, folder);
  arguments.merge = true;
  arguments.base = base;
  return arguments;
}

/// The largest logit difference that a merge reports.
double reported(const std::string& text) {
  const std::string before = "logits differ by at most ";
  const size_t at = text.find(before);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + before.size()));
}

}  // namespace

TEST_CASE("an adapter folder is written whole, with the names of the transformers class") {
  ExportArguments arguments = trials().to("1", "adapter");
  arguments.logits = trials().scratch.path("logits");
  CHECK(said(arguments) ==
        "wrote " + arguments.to + ": adapter_config.json, adapter_model.safetensors\n");
  const PeftConfig config = read_peft_config(arguments.to);
  CHECK(config.rank == 2);
  CHECK(config.task_type == "CAUSAL_LM");
  const SafetensorsFile adapter(arguments.to + "/adapter_model.safetensors");
  const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
  CHECK(adapter.at(q + "lora_A.weight").shape == std::vector<int64_t>{2, 16});
  const SafetensorsFile logits(arguments.logits);
  CHECK(logits.at("input_ids").shape == std::vector<int64_t>{8, 32});
  CHECK(logits.at("logits").shape == std::vector<int64_t>{8 * 32, 470});
  CHECK(said(arguments) ==
        arguments.to + " is there already and not empty; name a new folder with --to");
  CHECK_FALSE(std::filesystem::exists(arguments.to + ".part"));
}

TEST_CASE("a merged model is a folder of its own, as near to the trained one as rounding") {
  for (const auto& [trial, family] : {std::pair{"1", "llama"}, std::pair{"5", "gpt2"}}) {
    CAPTURE(family);
    const ExportArguments arguments = merging(trial, std::string("merged_") + family);
    const std::string text = said(arguments);
    CHECK_THAT(text, StartsWith("merged into the float base: against the trained model logits "
                                "differ by at most ") &&
                         Contains(" nats, over 256 positions of 8 drawn rows\nwrote " +
                                  arguments.to + ": config.json, model.safetensors\n"));
    CHECK(reported(text) < 1e-4);
    const auto config = nlohmann::json::parse(file_bytes(arguments.to + "/config.json"));
    CHECK(config.at("model_type") == family);
    CHECK(config.at("vocab_size") == 470);
    const SafetensorsFile model(arguments.to + "/model.safetensors");
    const bool tied = std::string(family) == "gpt2";
    CHECK(model.tensors().count("lm_head.weight") == (tied ? 0 : 1));
    if (!tied) continue;
    CHECK(model.at("transformer.h.0.attn.c_attn.weight").shape == std::vector<int64_t>{16, 48});
    CHECK(model.at("transformer.wte.weight").shape == std::vector<int64_t>{470, 16});
  }
}

TEST_CASE("each base of a merge reports its own drift") {
  const auto drift = [](const std::string& base) {
    const std::string text = said(merging("4", base, base));
    CHECK_THAT(text, StartsWith("merged into the " + base + " base: "));
    return reported(text);
  };
  CHECK(drift("dequantised") < 1e-4);  // what training had
  CHECK(drift("float") > 1e-3);
  CHECK(drift("requantised") > 1e-3);
  CHECK_THAT(said(merging("4", "plain")), StartsWith("merged into the dequantised base: "));
}

TEST_CASE("a drift is measured on given rows too") {
  ExportArguments arguments = merging("1", "given");
  arguments.rows =
      trials().scratch.write("rows.jsonl", "{\"prompt\": \"ab\"}\n{\"prompt\": \"c\"}\n");
  CHECK_THAT(said(arguments), Contains(" positions of 2 given rows\n"));
}

TEST_CASE("a trial that trained everything is exported merged alone") {
  const ExportArguments arguments = trials().to("2", "everything");
  CHECK(
      said(arguments) ==
      "peft has no adapter for a model of which everything was trained; write the whole model with "
      "--merge");
  CHECK_FALSE(std::filesystem::exists(arguments.to));
  CHECK_FALSE(std::filesystem::exists(arguments.to + ".part"));
  CHECK(reported(said(merging("2", "everything"))) == 0);
}

TEST_CASE("wrong exports are refused in full") {
  CHECK(said(merging("3", "out")) ==
        "virtual tokens can't be merged into the weights; export without --merge");
  ExportArguments based = trials().to("3", "out");
  based.base = "float";
  CHECK(said(based) == "--base belongs to --merge; add it, or leave --base out");
  ExportArguments rowed = trials().to("3", "out");
  rowed.rows = "x";
  CHECK(said(rowed) ==
        "--rows belongs to --merge or --logits; add one of them, or leave --rows out");
  const Scratch empty;
  CHECK(
      said(trials().to(empty.folder(), "out")) ==
      "folder " + empty.folder() +
          " holds neither config.json nor adapter_config.json; give a trial, a Hugging Face folder "
          "or a peft adapter");
  CHECK(
      said(merging("1", "out", "dequantised")) ==
      "the trial was trained on a float base, so there is none to dequantise; choose --base float "
      "or requantised");
  CHECK_FALSE(std::filesystem::exists(trials().scratch.path("out")));
}

TEST_CASE("a trial on images has no form of peft's or transformers'") {
  DeployCase images;
  write_set(images.scratch);
  images.run(
      "[stream]\nname = \"split\"\ndata = \".\"\nvalidation = 2\n[model]\nname = \"mlp\"\n"
      "width = 8\n[train]\nsteps = 3\nbatch = 4\n" +
      method_table("finetune"));
  CHECK(said(images.to("1", "out")) ==
        "the model 'mlp' is not of a family whose modules peft and transformers name; choose the "
        "model 'decoder' or 'pretrained'");
}
