// How a model's base is stored: formats, blocks, and Linears that stay float, in sweeps and plans.
#include "tests/catch.h"
// After Catch.
#include "core/models/model_facts.h"
#include "core/plan/plan.h"
#include "core/quantised_weight.h"
#include "experiments/base_format.h"
#include "experiments/measured_step.h"
#include "tests/sweep_case.h"
#include "tests/token_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

std::string sweep_of(const std::string& model, const std::string& method = "lora") {
  return "[stream]\nname = \"instructions\"\n[model]\nname = \"decoder\"\n" + model +
         "\n[[method]]\nname = \"" + method + "\"\n";
}

OptionMap model_of(const std::string& model) {
  return trials_of(sweep_of(model)).at(0).spec.model.options;
}

plan::Account planned(const std::string& family, const std::function<void(plan::PlanRequest&)>& set,
                      const std::string& method = "lora") {
  plan::PlanRequest request;
  request.method = method;
  request.length = 64;
  set(request);
  return plan::account(model_facts(HfConfig::parse(token_config(family), "config.json")), request);
}

}  // namespace

TEST_CASE("blocks and skipped Linears stand in a trial where they differ from the usual") {
  CHECK(model_of("base = \"nf4\"\nblock = 128\nskip = \"c_fc\"").at("block") == "128");
  CHECK(model_of("base = \"nf4\"\nblock = 128\nskip = \"c_fc\"").at("skip") == "c_fc");
  for (const std::string usual : {"base = \"nf4\"", "base = \"nf4\"\nblock = 64\nskip = \"none\"",
                                  "base = \"float\"\nblock = 128\nskip = \"c_fc\""}) {
    CHECK(model_of(usual).count("block") == 0);
    CHECK(model_of(usual).count("skip") == 0);
  }
  CHECK(model_of("base = \"int8\"\nblock = 128").count("block") == 0);  // it has none
  CHECK_THROWS_WITH(trials_of(sweep_of("block = 8192")), Contains("block"));
}

TEST_CASE("a base takes its block size, and skipped Linears stay float") {
  const HfConfig config = HfConfig::parse(token_config("gpt2"), "config.json");
  const auto model = token_model(config);
  const std::vector<BaseSeam> seams = base_seams(*model);
  apply_base(seams,
             base_choice({{"base", "nf4"}, {"block", "128"}, {"skip", "c_fc,h.0.attn.c_attn"}}));
  for (const BaseSeam& one : seams) {
    CAPTURE(one.seam->name());
    const bool stays =
        one.seam->name().ends_with(".c_fc") || one.seam->name().ends_with("h.0.attn.c_attn");
    CHECK(one.seam->base().format() == std::string(stays ? "float" : "nf4"));
    Tensor codes;
    if (!stays) CHECK(four_bit_tensor(one.seam->base(), &codes).block == 128);
  }
  CHECK_THROWS_WITH(apply_base(seams, base_choice({{"base", "nf4"}, {"skip", "c_attn,q_proj"}})),
                    Contains("model.skip has 'q_proj', but no Linear of the blocks ends with it"));
  CHECK_THROWS_WITH(base_choice({{"base", "nf4"}, {"block", "100"}}), Contains("100"));
}

TEST_CASE("an alias that sets the base is no way around another base") {
  CHECK_THROWS_WITH(trials_of(sweep_of("base = \"int8\"", "qlora")),
                    Contains("qlora has a 4-bit base, but model.base is int8; leave it out"));
  CHECK_THROWS_WITH(trials_of(sweep_of("", "qlora") + "model.base = \"bf16\"\n"),
                    Contains("qlora has a 4-bit base, but model.base is bf16"));
  const auto base = [](const std::string& sweep) {
    return trials_of(sweep).at(0).spec.model.options.at("base");
  };
  CHECK(base(sweep_of("", "qlora")) == "nf4");
  CHECK(base(sweep_of("base = \"nf4-dq\"", "qlora")) == "nf4-dq");
  CHECK(base(sweep_of("base = \"nf4-dq\"", "qlora") + "model.base = \"fp4\"\n") == "fp4");
  CHECK_THROWS_WITH(planned(
                        "gpt2", [](plan::PlanRequest& request) { request.base = "int8"; }, "qlora"),
                    Contains("qlora has a 4-bit base, but --base is int8"));
}

TEST_CASE("plans know blocks, skipped Linears and bfloat16 as training does") {
  for (const auto& [base, block, skip] :
       {std::tuple("nf4", 256, "none"), std::tuple("fp4-dq", 64, "mlp.c_fc,mlp.c_proj"),
        std::tuple("bf16", 64, "c_attn"), std::tuple("int8", 64, "c_attn")}) {
    CAPTURE(base, block, skip);
    StepRequest step;
    step.config = token_config("gpt2");
    step.place = "gpt2";
    step.request.method = "lora";
    step.request.length = 64;
    step.request.base = base;
    step.request.block = block;
    step.request.skip = skip;
    step.steps = 3;
    const plan::Account account = planned("gpt2", [&](auto& request) { request = step.request; });
    CHECK(static_cast<double>(measure_step(step).peak) ==
          Approx(static_cast<double>(account.peak())).epsilon(0.005));
  }
}

TEST_CASE("a plan refuses what training refuses") {
  CHECK_THROWS_WITH(planned("bert", [](plan::PlanRequest& request) { request.levers.chunk = 64; }),
                    Contains("chunked-loss excludes a bert that classifies"));
  CHECK_THROWS_WITH(plan::parse_memory("80"),
                    "'80' is 80 bytes of memory; name the unit, such as 80GiB, or B for bytes");
  CHECK(plan::parse_memory("80 B") == 80);
}
