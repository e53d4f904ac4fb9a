// `lethe plan --measure`: steps of a shape that are run beside their plan.
#include "tests/catch.h"
// After Catch.
#include "core/models/model_facts.h"
#include "core/plan/plan.h"
#include "experiments/measured_step.h"
#include "experiments/plan_table.h"
#include "tests/files.h"
#include "tests/token_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

StepRequest step_of(const std::string& family, const std::string& method,
                    const std::string& levers) {
  StepRequest step;
  step.config = token_config(family);
  step.place = family;
  step.request.method = method;
  step.request.length = 64;
  step.request.target_length = 8;
  step.request.levers = plan::parse_levers(levers);
  step.steps = 3;
  return step;
}

/// The plan's peak is that of the steps.
void check_measured(const StepRequest& step, double tolerance = 0.005) {
  const auto facts = model_facts(HfConfig::parse(step.config, "config.json"));
  const plan::Account planned = plan::account(facts, step.request);
  const MeasuredStep measured = measure_step(step);
  CAPTURE(step.place, step.request.method, plan::levers_text(step.request.levers), planned.moment,
          planned.peak(), measured.peak);
  CHECK(measured.device == "cpu");
  CHECK_FALSE(measured.out_of_memory);
  CHECK(static_cast<double>(measured.peak) ==
        Approx(static_cast<double>(planned.peak())).epsilon(tolerance));
  CHECK(measured.before >= planned.states - planned.device[plan::Part::gradients]);
  int64_t held = 0;
  for (const MeasuredStep::Held& one : measured.held) held += one.device;
  CHECK(held == measured.peak);
  CHECK(measured.before < measured.peak);
  CHECK(measured.host == 0);
  CHECK(measured.reserved == 0);
  CHECK(measured.milliseconds > 0);
}

std::string table_text(bool measures, int64_t memory) {
  const Scratch scratch;
  const std::string row = "[[row]]\nmodel = \"small\"\noptions = \"--length 32 --method ";
  scratch.write("plans.toml", "[[model]]\nname = \"small\"\nconfig = '''" + token_config("gpt2") +
                                  "'''\n" + row + "finetune\"\n" + row +
                                  "lora --targets peft\"\npublished = \"7\"\n");
  PlanTable table{scratch.path("plans.toml"), memory};
  table.steps = 3;
  if (measures) table.measure = measure_step;
  return plan_table(table);
}

}  // namespace

TEST_CASE("a step that is run takes what its plan says") {
  for (const std::string family : {"gpt2", "llama", "mt5", "bert"}) {
    check_measured(step_of(family, "finetune", "none"));
    check_measured(step_of(family, "qlora", "checkpointing"), 0.01);
  }
  for (const std::string method : {"lora+ewc", "si", "freeze", "prompt"}) {
    check_measured(step_of("gpt2", method, "none"));
  }
  StepRequest gem = step_of("gpt2", "gem", "none");
  gem.request.budget = 12;
  check_measured(gem, 0.05);
  check_measured(step_of("llama", "finetune", "chunked-loss=64,accumulate=2"));
  check_measured(step_of("gpt2", "lora", "adamw8bit,optimizer-in-backward"));
}

TEST_CASE("a task that begins with zeroed moments has them once") {
  StepRequest step = step_of("gpt2", "finetune", "adamw8bit");
  const auto facts = model_facts(HfConfig::parse(step.config, "config.json"));
  const int64_t states = plan::account(facts, step.request).states;
  REQUIRE(step.request.tasks == 2);
  const int64_t before = measure_step(step).before;
  // Values lie there twice, beside their gradients, while they are laid out.
  const int64_t values = plan::account(facts, step.request).device[plan::Part::trainable];
  CHECK(before <= std::max(states, 3 * values) + (1 << 16));
}

TEST_CASE("tables that outweigh the blocks are planned as they are held") {
  const std::string sizes = R"("vocab_size": 20000, "num_attention_heads": 4, )";
  const std::string t5 = R"("vocab_size": 20000, "d_model": 64, "d_kv": 16, "d_ff": 160,
                            "num_layers": 2, "num_heads": 4, )";
  const std::string shapes[] = {
      R"({"model_type": "mt5", "feed_forward_proj": "gated-gelu", )" + t5 +
          R"("tie_word_embeddings": false})",
      R"({"model_type": "t5", )" + t5 + R"("tie_word_embeddings": true})",
      R"({"model_type": "bloom", "n_embed": 64, "n_layer": 2, )" + sizes + R"("seq_length": 64})",
      R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 160,
          "num_key_value_heads": 2, "num_hidden_layers": 2, "max_position_embeddings": 256, )" +
          sizes + R"("tie_word_embeddings": false})"};
  for (const std::string& shape : shapes) {
    for (const std::string levers :
         {"optimizer-in-backward", "bf16-stochastic",
          "bf16-stochastic,adamw8bit,optimizer-in-backward",
          "adamw8bit,optimizer-in-backward,chunked-loss=64,checkpointing"}) {
      StepRequest step = step_of("gpt2", "finetune", levers);
      step.config = step.place = shape;
      check_measured(step, 0.02);
    }
  }
}

TEST_CASE("the options of a plan are those of the steps") {
  StepRequest step = step_of("llama", "lora", "none");
  step.request.rank = 32;
  step.request.targets = "peft";
  step.request.base = "int8";
  step.request.predicted = 4;
  step.request.padded = false;
  step.request.optimizer = "sgd-momentum";
  check_measured(step);
}

TEST_CASE("what training does not have is refused before anything runs") {
  const auto refused = [](const std::function<void(StepRequest&)>& change, const char* what) {
    StepRequest step = step_of("gpt2", "lora", "none");
    change(step);
    CHECK_THROWS_WITH(measure_step(step), Contains(what));
  };
  refused([](StepRequest& step) { step.request.compute = "bf16"; },
          "--compute bf16 can be planned and not measured");
  refused([](StepRequest& step) { step.request.dtype = "bf16"; }, "--dtype bf16 can be planned");
  refused([](StepRequest& step) { step.request.adapter_dtype = "bf16"; }, "--adapter-dtype bf16");
  refused([](StepRequest& step) { step.request.mapped = true; }, "--mapped can be planned");
  refused([](StepRequest& step) { step.steps = 2; }, "--steps is 2; expected at least 3");
  refused([](StepRequest& step) { step.device = "gpu"; }, "unknown device 'gpu'");
  refused([](StepRequest& step) { step.request.levers.offload_weights = true; }, "device = cpu");
}

TEST_CASE("a table has what was measured of each row that fits") {
  const std::string planned = table_text(false, 0), measured = table_text(true, 0);
  CHECK(planned.find("measured") == std::string::npos);
  CHECK_THAT(measured, Contains("| states | peak | host | measured peak | host | before the first "
                                "step | ms a step | published peak |"));
  CHECK_THAT(measured, Catch::EndsWith("\nMeasured on cpu.\n"));
  CHECK(measured.find(" - | - | - |") == std::string::npos);
  const std::string none = table_text(true, 1 << 20);
  CHECK_THAT(none, Contains(" | - | - | - | - | no | - |"));
  CHECK_THAT(none, Contains(" | - | - | - | - | no | 7 |"));
  CHECK(none.find("Measured on") == std::string::npos);
}
