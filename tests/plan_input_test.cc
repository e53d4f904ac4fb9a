// `lethe plan`: what it prints and returns, and what it refuses.
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/plan/plan.h"
#include "experiments/plan.h"
#include "experiments/plan_table.h"
#include "tests/plan_configs.h"
#include "tests/program.h"

using namespace lethe;
using Catch::Contains;
using plan::PlanRequest;
using Words = std::vector<std::string>;

namespace {

void refused(const PlanRequest& request, const std::string& said) {
  CHECK_THROWS_WITH(plan::account(facts_of_config(small_gpt2_config(2)), request), said);
}

PlanRequest with(const std::string& method, const std::string& levers = "none") {
  PlanRequest request;
  request.method = method;
  request.length = 4;
  request.levers = plan::parse_levers(levers);
  return request;
}

}  // namespace

TEST_CASE("amounts of memory are read with their units") {
  CHECK(plan::parse_memory("80GiB") == int64_t{80} << 30);
  CHECK(plan::parse_memory("24 GB") == 24000000000);
  CHECK(plan::parse_memory("0.5mib") == 1 << 19);
  CHECK(plan::parse_memory("123456") == 123456);
  for (const char* wrong : {"80 bananas", "", "GiB", "-1GiB", "0", "nan", "1e300TiB"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH(plan::parse_memory(wrong),
                      "'" + std::string(wrong) +
                          "' is no amount of memory; expected such as 80GiB, 24 GB, 512MiB");
  }
}

TEST_CASE("levers are read and written") {
  CHECK(plan::levers_text(plan::parse_levers("none")) == "none");
  CHECK(plan::levers_text(plan::parse_levers("checkpointing=2,adamw8bit,chunked-loss")) ==
        "chunked-loss=256,adamw8bit,checkpointing=2");
  CHECK_THROWS_WITH(
      plan::parse_levers("offload"),
      "unknown lever 'offload'; known levers: optimizer-in-backward, chunked-loss, "
      "accumulate, adamw8bit, checkpointing, bf16, bf16-stochastic, offload-optimizer, "
      "offload-activations, offload-weights");
  CHECK_THROWS_WITH(plan::parse_levers("checkpointing=0"),
                    "lever 'checkpointing=0': expected a number from 1 on, such as "
                    "checkpointing=1");
  CHECK_THROWS_WITH(plan::parse_levers("accumulate=x"),
                    "lever 'accumulate=x': expected a number from 2 on, such as accumulate=2");
  CHECK_THROWS_WITH(plan::parse_levers("bf16=1"), "lever 'bf16=1' takes no value; write bf16");
  CHECK_THROWS_WITH(plan::parse_levers("bf16,bf16"), "lever 'bf16' is named twice; name it once");
}

TEST_CASE("methods that a model or a lever excludes are refused with the reason") {
  refused(with("ewc-kfac"),
          "no plan for ewc-kfac: its factors are those of layers that see one vector a row, and a "
          "transformer's see one a token; choose ewc");
  refused(with("gem+derpp"), "gem+derpp: two methods with a memory; keep one");
  refused(with("gem", "optimizer-in-backward"),
          "optimizer-in-backward excludes gem: it rewrites the whole gradient; drop one of them");
  refused(with("distill", "chunked-loss"),
          "chunked-loss excludes distill: it reads the logits; drop one of them");
  PlanRequest prompt = with("prompt");
  refused(prompt,
          "--virtual-tokens 10 and --length 4 need 14 positions, but this gpt2 has 8; lower one");
  prompt.virtual_tokens = 0;
  refused(prompt, "--virtual-tokens is 0; expected at least 1");
  PlanRequest osf = with("osf");
  osf.base = "nf4";
  refused(osf,
          "osf trains 'transformer.h.0.attn.c_attn', which is nf4; set --base float, or choose "
          "lora");
}

TEST_CASE("a request that makes no sense is refused with the reason") {
  refused(with("magic"),
          "no plan for method 'magic'; methods with one: a-gem, adalora, bitfit, der, derpp, "
          "distill, dora, ewc, finetune, freeze, full, gem, ia3, inclora, joint, l2, lora, lwf, "
          "mas, multitask, norm-tuning, olora, osf, prompt, qlora, replay, rwalk, si");
  refused(with("lora+dora"), "lora+dora: both lora and dora choose what is trained; keep one");
  refused(with("finetune", "bf16,bf16-stochastic"),
          "bf16 excludes bf16-stochastic: the one keeps a float32 copy, the other does without; "
          "drop one of them");
  refused(with("finetune", "optimizer-in-backward,accumulate=2"),
          "optimizer-in-backward excludes accumulate: a sum over passes needs the whole gradient; "
          "drop one of them");
  refused(with("a-gem", "optimizer-in-backward"),
          "optimizer-in-backward excludes a-gem: it rewrites the whole gradient; drop one of them");
  refused(with("finetune", "offload-weights"),
          "offload-weights excludes finetune: no block is frozen; drop one of them");
  refused(with("finetune", "accumulate=3"),
          "accumulate=3 does not divide --batch 8; give a divisor");
  PlanRequest request = with("finetune", "adamw8bit");
  request.optimizer = "sgd";
  refused(request,
          "adamw8bit excludes --optimizer sgd: only Adam has two moments; drop one of them");
  request = with("finetune");
  request.base = "nf4";
  refused(
      request,
      "finetune trains 'transformer.h.0.attn.c_attn', which is nf4; set --base float, or choose "
      "lora");
  request = with("lora");
  request.targets = "q_proj";
  refused(request,
          "lora: no Linear of a gpt2 ends with one of 'q_proj'; set --targets all, peft, or names "
          "of its own");
  request = with("lora");
  request.length = 9;
  refused(request, "--length is 9, but this gpt2 takes rows of at most 8 tokens; lower it");
  request = with("lora");
  request.block = 65;
  refused(request, "--block is 65; expected a power of two from 32 to 4096");
  request = with("lora");
  request.base = "nf8";
  refused(request, "--base is 'nf8'; expected one of float, bf16, int8, nf4, nf4-dq, fp4, fp4-dq");
}

TEST_CASE("the plan is printed with its settings and every part") {
  PlanRequest request = with("lora+ewc", "checkpointing");
  const plan::ModelFacts facts = facts_of_config(small_gpt2_config(2));
  const plan::Plan made = plan::make_plan(facts, request, int64_t{1} << 20);
  const std::string text = plan_text("small", facts, request, made);
  CHECK_THAT(text, Contains("small (gpt2)\n"
                            "  method         lora+ewc, base float, dense weights float32, "
                            "adapters float32, activations float32\n"));
  CHECK_THAT(
      text, Contains("  step           8 rows of up to 4 tokens, adamw, levers checkpointing=1\n"));
  for (const char* part :
       {"weights", "trainable parameters", "gradients", "optimizer states", "method state",
        "activations", "logits", "workspace", "states", "peak"}) {
    CHECK_THAT(text, Contains("\n  " + std::string(part) + " "));
  }
  CHECK_THAT(text, Contains("fits 0.00 GiB"));
  CHECK_THAT(text, Contains("longest length at this batch   8 tokens"));
  const std::string json = plan_json("small", facts, request, made);
  CHECK_THAT(json, Contains("\"peak\": " + std::to_string(made.account.peak())));
  CHECK_THAT(json, Contains("\"fits\": true"));
}

TEST_CASE("lethe plan ends with 0, 1 or 2, in well under a second") {
  const Scratch scratch;
  scratch.write("7b.json", llama_config(4096, 11008, 32, 32));
  const auto code = [&](Words more) {
    Words words = {"plan", "7b.json", "--method", "qlora"};
    words.insert(words.end(), more.begin(), more.end());
    return lethe_run(scratch, words).code;
  };
  CHECK(code({}) == 0);
  CHECK(code({"--device-memory", "200GiB"}) == 0);
  CHECK(code({"--device-memory", "1GiB", "--format", "json"}) == 1);
  scratch.write("lacking.json", R"({"model_type": "gpt2", "vocab_size": 5})");
  scratch.write("odd.json", R"({"model_type": "rwkv"})");
  check_refused(
      scratch,
      {{{"plan"}, "takes a model, or --table"},
       {{"plan", "none.json"}, "none.json"},
       {{"plan", "odd.json"},
        "error: odd.json: 'model_type' is \"rwkv\", expected one of bert, bloom, gpt2, llama, "
        "mistral, mt5, opt, qwen2, t5\n"},
       {{"plan", "lacking.json"},
        "error: lacking.json lacks 'hidden_size' or 'n_embd' or 'n_embed' or 'd_model'; expected "
        "an integer\n"},
       {{"plan", "7b.json", "--device-memory", "lots"},
        "error: 'lots' is no amount of memory; expected such as 80GiB, 24 GB, 512MiB\n"},
       {{"plan", "7b.json", "--levers", "magic"}, "error: unknown lever 'magic'; known levers:"},
       {{"plan", "7b.json", "--method", "magic"}, "error: no plan for method 'magic'"},
       {{"plan", "7b.json", "--batch", "0"}, "error: --batch is 0; expected at least 1\n"}});
}

TEST_CASE("docs/memory.md has the table that lethe plan --table prints") {
  const std::string root = LETHE_SOURCE_DIR;
  const std::string table =
      plan_table({root + "/sweeps/plans/published.toml", plan::parse_memory("80GiB")});
  CHECK(std::count(table.begin(), table.end(), '\n') == 20);
  CHECK_THAT(file_bytes(root + "/docs/memory.md"), Contains("\n\n" + table + "\n"));
  const std::string llama = plan_table({root + "/sweeps/plans/llama_qlora.toml"});
  CHECK(std::count(llama.begin(), llama.end(), '\n') == 6);
  CHECK_THAT(file_bytes(root + "/docs/memory.md"), Contains("\n\n" + llama + "\n"));
}

TEST_CASE("a file of plans is refused with its place") {
  const Scratch scratch;
  const auto refused_file = [&](const std::string& text, const std::string& said) {
    scratch.write("plans.toml", text);
    CHECK_THROWS_WITH(plan_table({scratch.path("plans.toml")}), Contains(said));
  };
  const std::string model =
      "[[model]]\nname = \"m\"\nconfig = '''" + small_gpt2_config(1) + "'''\n";
  refused_file("[[row]]\n", "has no [[model]]");
  refused_file(model + model, "model 'm' is there twice");
  refused_file(model + "[[row]]\nmodel = \"n\"\noptions = \"--length 4\"\n",
               "no [[model]] is called 'n'");
  refused_file(model + "[[row]]\nmodel = \"m\"\noptions = \"--rang 3\"\n", "--rang");
  refused_file(model + "[[row]]\nmodel = \"m\"\noptions = \"--levers x\"\n", "unknown lever 'x'");
  scratch.write("plans.toml", model + "[[row]]\nmodel = \"m\"\noptions = \"--length 4\"\n");
  CHECK_THAT(plan_table({scratch.path("plans.toml")}),
             Contains("| m | `--length 4` | 0 | 0 | 0 | - |"));
  const Ended both = lethe_run(scratch, {"plan", "x", "--table", "plans.toml"});
  CHECK(both.code == 2);
  CHECK_THAT(both.err, Contains("takes a model, or --table"));
}
