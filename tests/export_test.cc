// `lethe export`: adapter folders and merged models, and what is refused.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/formats/peft_config.h"
#include "core/formats/safetensors.h"
#include "tests/deploy_case.h"

using Catch::Contains;
using Catch::StartsWith;

namespace {

std::string export_error(const Scratch& scratch, Words words) {
  words.insert(words.begin(), "export");
  const Ended ended = lethe_run(scratch, words);
  CHECK(ended.code == 2);
  CHECK(ended.out.empty());
  return ended.err;
}

/// The largest logit difference that a merge reports.
double reported(const std::string& out) {
  const std::string before = "logits differ by at most ";
  const size_t at = out.find(before);
  REQUIRE(at != std::string::npos);
  return std::stod(out.substr(at + before.size()));
}

}  // namespace

TEST_CASE("an adapter folder is written whole, with the names of the transformers class") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora);
  run_small(scratch);
  const Ended ended = lethe_run(scratch, {"export", "1", "--to", "out", "--logits", "l"});
  CHECK(ended.code == 0);
  CHECK(ended.out == "wrote out: adapter_config.json, adapter_model.safetensors\n");
  const lethe::PeftConfig config = lethe::read_peft_config(scratch.path("out"));
  CHECK(config.rank == 2);
  CHECK(config.task_type == "CAUSAL_LM");
  const lethe::SafetensorsFile adapter(scratch.path("out/adapter_model.safetensors"));
  const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
  CHECK(adapter.at(q + "lora_A.weight").shape == std::vector<int64_t>{2, 16});
  const lethe::SafetensorsFile logits(scratch.path("l"));
  CHECK(logits.at("input_ids").shape == std::vector<int64_t>{8, 29});
  CHECK(logits.at("logits").shape == std::vector<int64_t>{8 * 29, 470});
  CHECK(export_error(scratch, {"1", "--to", "out"}) ==
        "error: out is there already and not empty; name a new folder with --to\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path("out.part")));
}

TEST_CASE("a merged model is a folder of its own, as near to the trained one as rounding") {
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const Scratch scratch;
    write_small_sweep(scratch, kLora, "family = \"" + family + "\"\n");
    run_small(scratch);
    const Ended ended = lethe_run(scratch, {"export", "1", "--to", "out", "--merge"});
    CAPTURE(ended.err);
    CHECK(ended.code == 0);
    CHECK_THAT(ended.out, StartsWith("merged into the float base: against the trained model logits "
                                     "differ by at most ") &&
                              Contains(" nats, over 232 positions of 8 drawn rows\nwrote out: "
                                       "config.json, model.safetensors\n"));
    CHECK(reported(ended.out) < 1e-4);
    const auto config = nlohmann::json::parse(file_bytes(scratch.path("out/config.json")));
    CHECK(config.at("model_type") == family);
    CHECK(config.at("vocab_size") == 470);
    const lethe::SafetensorsFile model(scratch.path("out/model.safetensors"));
    CHECK(model.tensors().count("lm_head.weight") == (family == "llama" ? 1 : 0));
    if (family != "gpt2") continue;
    CHECK(model.at("transformer.h.0.attn.c_attn.weight").shape == std::vector<int64_t>{16, 48});
    CHECK(model.at("transformer.wte.weight").shape == std::vector<int64_t>{470, 16});
  }
}

TEST_CASE("each base of a merge reports its own drift") {
  const Scratch scratch;
  write_small_sweep(scratch, method_table("qlora", "rank = 2\n"));
  run_small(scratch);
  const auto drift = [&](const std::string& base) {
    const Ended ended =
        lethe_run(scratch, {"export", "1", "--to", base, "--merge", "--base", base});
    CAPTURE(ended.err);
    CHECK_THAT(ended.out, StartsWith("merged into the " + base + " base: "));
    return reported(ended.out);
  };
  CHECK(drift("dequantised") < 1e-4);  // what training had
  CHECK(drift("float") > 1e-3);
  CHECK(drift("requantised") > 1e-3);
  const Ended plain = lethe_run(scratch, {"export", "1", "--to", "plain", "--merge"});
  CHECK_THAT(plain.out, StartsWith("merged into the dequantised base: "));
}

TEST_CASE("a trial that trained everything is exported merged alone") {
  const Scratch scratch;
  write_small_sweep(scratch, method_table("finetune"));
  run_small(scratch);
  CHECK_THAT(export_error(scratch, {"1", "--to", "out"}),
             StartsWith("error: peft has no adapter for ") &&
                 Contains("; write the whole model with --merge\n"));
  CHECK_FALSE(std::filesystem::exists(scratch.path("out")));
  CHECK_FALSE(std::filesystem::exists(scratch.path("out.part")));
  CHECK(lethe_run(scratch, {"export", "1", "--to", "out", "--merge"}).code == 0);
}

TEST_CASE("wrong exports are refused in full") {
  const Scratch scratch;
  write_small_sweep(scratch, method_table("prompt", "tokens = 2\n"), "max_length = 200\n");
  run_small(scratch);
  CHECK(export_error(scratch, {"1", "--to", "out", "--merge"}) ==
        "error: virtual tokens can't be merged into the weights; export without --merge\n");
  CHECK(export_error(scratch, {"1", "--to", "out", "--base", "float"}) ==
        "error: --base belongs to --merge; add it, or leave --base out\n");
  CHECK(export_error(scratch, {"1", "--to", "out", "--rows", "x"}) ==
        "error: --rows belongs to --merge or --logits; add one of them, or leave --rows out\n");
  std::filesystem::create_directory(scratch.path("empty"));
  CHECK(export_error(scratch, {"empty", "--to", "out"}) ==
        "error: folder empty holds neither config.json nor adapter_config.json; give a trial, a "
        "Hugging Face folder or a peft adapter\n");
  const Scratch other;
  write_small_sweep(other, kLora);
  run_small(other);
  CHECK(
      export_error(other, {"1", "--to", "out", "--merge", "--base", "dequantised"}) ==
      "error: the trial was trained on a float base, so there is none to dequantise; choose --base "
      "float or requantised\n");
  CHECK_THAT(export_error(other, {"1", "--to", "out", "--merge", "--base", "nf4"}),
             Contains("--base"));
}

TEST_CASE("a trial on images has no form of peft's or transformers'") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune);
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--keep", "--jobs", "1"}).code == 0);
  CHECK(
      export_error(scratch, {"1", "--to", "out", "--merge"}) ==
      "error: the model 'mlp' is not of a family whose modules peft and transformers name; choose "
      "the model 'decoder' or 'pretrained'\n");
}
