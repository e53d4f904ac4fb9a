// adapter_config.json: what is read, what is refused, what is written, and which modules it
// reaches.
#include "core/formats/peft_config.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/formats/peft_match.h"
#include "tests/files.h"

using namespace lethe;
using Names = std::vector<std::string>;

namespace {

PeftConfig parsed(const std::string& text) { return parse_peft_config(text, "a.json"); }

PeftConfig lora_with(const std::string& more) {
  return parsed(R"({"peft_type": "LORA", "target_modules": ["q_proj"])" + more + "}");
}

/// Of the modules of a LLaMA of two layers, those that get an adapter.
Names reached(const PeftConfig& config) {
  const PeftMatch match(config, peft_family("llama"));
  Names found;
  for (const char* layer : {"0", "1", "11"}) {
    for (const char* end : {"self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.up"}) {
      const std::string path = std::string("model.layers.") + layer + "." + end;
      if (match.target(path, false)) found.push_back(path.substr(13));
    }
  }
  if (match.target("lm_head", true)) found.emplace_back("lm_head");
  return found;
}

}  // namespace

TEST_CASE("a config of the fewest keys has peft's defaults") {
  const PeftConfig config = lora_with("");
  CHECK(config.type == PeftType::lora);
  CHECK(config.target_modules.names == Names{"q_proj"});
  CHECK(config.rank == 8);
  CHECK(config.alpha == 8);
  CHECK(config.dropout == 0);
  CHECK_FALSE(config.rslora);
  CHECK_FALSE(config.dora);
  CHECK(config.bias == "none");
  CHECK_FALSE(config.layers_to_transform);
  CHECK(config.modules_to_save.empty());
}

TEST_CASE("unknown keys, and settings that are off, are left unread") {
  CHECK(lora_with(R"(, "peft_version": "9", "eva_config": {"rho": 2}, "lora_bias": false,
                     "layer_replication": null, "use_qalora": false, "trainable_token_indices": [],
                     "init_lora_weights": "gaussian", "loftq_config": {}, "qalora_group_size": 16)") ==
        lora_with(""));
}

TEST_CASE("every kind is written so that it reads back equal") {
  PeftConfig lora = lora_with("");
  lora.task_type = "CAUSAL_LM";
  lora.base_model = "models/\"x\"";
  lora.revision = "main";
  lora.inference_mode = lora.fan_in_fan_out = lora.rslora = lora.dora = true;
  lora.rank = 3;
  lora.alpha = 2.5;
  lora.dropout = 0.05;
  lora.bias = "lora_only";
  lora.modules_to_save = {"lm_head", "score"};
  lora.exclude_modules.expression = ".*\\.0\\..*";
  lora.rank_pattern = {{"z.*", 5}, {"a", 2}};  // in this order
  lora.alpha_pattern = {{"b", 1.5}};
  lora.layers_to_transform = {0, 2};
  lora.layers_pattern = {"layers"};
  PeftConfig ia3 = parsed(R"({"peft_type": "IA3", "target_modules": ["k", "wo"],
                              "feedforward_modules": ["wo"]})");
  PeftConfig no_feedforward = ia3;
  no_feedforward.feedforward_modules.names.clear();
  PeftConfig prompt = parsed(R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5,
                                 "token_dim": 64, "num_layers": 3, "num_attention_heads": 8})");
  PeftConfig norms = parsed(R"({"peft_type": "LN_TUNING", "target_modules": ".*norm"})");
  for (const PeftConfig& config : {lora, ia3, no_feedforward, prompt, norms}) {
    const std::string text = peft_config_text(config);
    CAPTURE(text);
    CHECK(parse_peft_config(text, "again") == config);
  }
}

TEST_CASE("a written LoRA config has every key that loaders look at") {
  const auto all = nlohmann::json::parse(peft_config_text(lora_with("")));
  for (const char* key :
       {"r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "bias", "fan_in_fan_out",
        "target_modules", "modules_to_save", "base_model_name_or_path", "task_type", "rank_pattern",
        "alpha_pattern", "layers_to_transform", "layers_pattern", "inference_mode",
        "init_lora_weights", "revision", "peft_type"}) {
    CAPTURE(key);
    CHECK(all.contains(key));
  }
  CHECK(all.at("lora_alpha").is_number_integer());
  CHECK(all.at("modules_to_save").is_null());
}

TEST_CASE("bad settings are refused by file, key, value and what was expected") {
  const std::pair<const char*, const char*> wrong[] = {
      {"{", "a.json is no valid JSON; fetch or write it again"},
      {"[]", "a.json holds no JSON object; fetch or write it again"},
      {R"({"peft_type": "LOKR"})",
       "a.json: peft_type is \"LOKR\", expected one of LORA, IA3, PROMPT_TUNING, LN_TUNING"},
      {R"({"r": 8})",
       "a.json: peft_type is null, expected one of LORA, IA3, PROMPT_TUNING, LN_TUNING"},
      {R"({"peft_type": "LORA", "r": 0})", "a.json: r is 0, expected whole numbers from 1 on"},
      {R"({"peft_type": "LORA", "r": 2.5})", "a.json: r is 2.5, expected whole numbers from 1 on"},
      {R"({"peft_type": "LORA", "lora_alpha": "16"})",
       "a.json: lora_alpha is \"16\", expected a number from 0 on"},
      {R"({"peft_type": "LORA", "lora_dropout": 1})",
       "a.json: lora_dropout is 1, expected a number below 1"},
      {R"({"peft_type": "LORA", "bias": "some"})",
       "a.json: bias is \"some\", expected none, all or lora_only"},
      {R"({"peft_type": "LORA", "use_dora": 1})", "a.json: use_dora is 1, expected true or false"},
      {R"({"peft_type": "LORA", "target_modules": [1]})",
       "a.json: target_modules is [1], expected a list of names, or one regular expression"},
      {R"({"peft_type": "LORA", "rank_pattern": {"q": 0}})",
       "a.json: rank_pattern is {\"q\":0}, expected whole numbers from 1 on"},
      {R"({"peft_type": "LORA", "rank_pattern": [4]})",
       "a.json: rank_pattern is [4], expected an object of numbers by module"},
      {R"({"peft_type": "LORA", "layers_to_transform": [-1]})",
       "a.json: layers_to_transform is [-1], expected whole numbers from 0 on"},
      {R"({"peft_type": "LORA", "lora_bias": true})",
       "a.json: lora_bias is true, expected none: this setting is not supported"},
      {R"({"peft_type": "LORA", "layer_replication": [[0, 2]]})",
       "a.json: layer_replication is [[0,2]], expected none: this setting is not supported"},
      {R"({"peft_type": "LORA", "init_lora_weights": "pissa_niter_4"})",
       "a.json: init_lora_weights is \"pissa_niter_4\", expected a start that leaves the base's "
       "weights as they are; write the adapter again with save_pretrained(..., "
       "path_initial_model_for_weight_conversion=...)"},
      {R"({"peft_type": "PROMPT_TUNING"})",
       "a.json: num_virtual_tokens is null, expected the number of virtual tokens"},
      {R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3, "num_transformer_submodules": 0})",
       "a.json: num_transformer_submodules is 0, expected whole numbers from 1 on"}};
  for (const auto& [text, message] : wrong) CHECK_THROWS_WITH(parsed(text), message);
}

TEST_CASE("a folder without a config is named") {
  const Scratch scratch;
  CHECK_THROWS_WITH(read_peft_config(scratch.folder()),
                    scratch.path("adapter_config.json") +
                        " can't be read; give a folder with adapter_config.json and "
                        "adapter_model.safetensors");
}

TEST_CASE("target_modules are endings at a dot, or one expression over the whole path") {
  CHECK(reached(lora_with("")) ==
        Names{"0.self_attn.q_proj", "1.self_attn.q_proj", "11.self_attn.q_proj"});
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": ["up"]})")) ==
        Names{"0.mlp.up", "1.mlp.up", "11.mlp.up"});
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": ["model.layers.1.mlp.up"]})")) ==
        Names{"1.mlp.up"});
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": ".*\\.1\\..*(q|v)_proj"})")) ==
        Names{"1.self_attn.q_proj", "1.self_attn.v_proj"});
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": "q_proj"})")).empty());
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": "all-linear"})")).size() == 12);
  CHECK(reached(parsed(R"({"peft_type": "LORA", "target_modules": ["lm_head"]})")) ==
        Names{"lm_head"});
  CHECK_THROWS_WITH(reached(parsed(R"({"peft_type": "LORA", "target_modules": "(q"})")),
                    "'(q' of adapter_config.json is no regular expression; expected names or one "
                    "that can be read");
}

TEST_CASE("without target_modules the architecture's default counts") {
  CHECK(reached(parsed(R"({"peft_type": "LORA"})")).size() == 6);
  const PeftMatch gpt2(parsed(R"({"peft_type": "IA3"})"), peft_family("gpt2"));
  CHECK(gpt2.target("transformer.h.0.attn.c_attn", false));
  CHECK(gpt2.target("transformer.h.0.mlp.c_proj", false));
  CHECK_FALSE(gpt2.target("transformer.h.0.attn.c_proj", false));
  CHECK(gpt2.feedforward("transformer.h.0.mlp.c_proj"));
  CHECK_FALSE(gpt2.feedforward("transformer.h.0.attn.c_attn"));
  CHECK_THROWS_WITH(
      peft_family("falcon"),
      "adapters of the architecture 'falcon' are not known; known: bert, bloom, gpt2, "
      "llama, mistral, mt5, opt, qwen2, t5");
}

TEST_CASE("layers_to_transform, exclude_modules and modules_to_save take targets away") {
  CHECK(reached(lora_with(R"(, "layers_to_transform": [1])")) == Names{"1.self_attn.q_proj"});
  CHECK(reached(lora_with(R"(, "layers_to_transform": 11)")) == Names{"11.self_attn.q_proj"});
  CHECK(reached(lora_with(R"(, "layers_to_transform": [])")).size() == 3);
  CHECK(reached(lora_with(R"(, "layers_to_transform": [0], "layers_pattern": "layers")")) ==
        Names{"0.self_attn.q_proj"});
  CHECK(reached(lora_with(R"(, "layers_to_transform": [0], "layers_pattern": ["h"])")).empty());
  CHECK(reached(lora_with(R"(, "exclude_modules": ["layers.1.self_attn.q_proj"])")) ==
        Names{"0.self_attn.q_proj", "11.self_attn.q_proj"});
  CHECK(reached(lora_with(R"(, "exclude_modules": ".*\\.1+\\..*")")) ==
        Names{"0.self_attn.q_proj"});
  CHECK(reached(lora_with(R"(, "modules_to_save": ["1.self_attn"])")) ==
        Names{"0.self_attn.q_proj", "11.self_attn.q_proj"});
}

TEST_CASE("rank_pattern and alpha_pattern are expressions from a dot on, the first that matches") {
  const PeftConfig config = lora_with(
      R"(, "r": 4, "lora_alpha": 6, "rank_pattern": {"layers.0.self_attn.q_proj": 2,
           ".*.q_proj": 16, "1.self_attn.q_proj": 3}, "alpha_pattern": {"q_proj|up": 1})");
  const PeftMatch match(config, peft_family("llama"));
  CHECK(match.rank("model.layers.0.self_attn.q_proj") == 2);
  CHECK(match.rank("model.layers.1.self_attn.q_proj") == 16);
  CHECK(match.rank("model.layers.1.self_attn.v_proj") == 4);
  CHECK(match.alpha("model.layers.1.self_attn.q_proj") == 1);
  CHECK(match.alpha("model.layers.1.mlp.up") == 1);
  CHECK(match.alpha("model.layers.1.mlp.up_proj") == 6);
}

TEST_CASE("modules are said by the shortest endings that reach no other") {
  const Names all = {"h.0.attn.c_proj", "h.0.mlp.c_proj", "h.1.attn.c_proj",
                     "h.1.mlp.c_proj",  "norm",           "ln_norm"};
  const auto names = [&](const Names& chosen) { return shortest_names(all, chosen, has_ending); };
  CHECK(names({"h.0.attn.c_proj", "h.1.attn.c_proj"}) == Names{"attn.c_proj"});
  CHECK(names({"h.0.attn.c_proj", "h.0.mlp.c_proj", "h.1.attn.c_proj", "h.1.mlp.c_proj"}) ==
        Names{"c_proj"});
  CHECK(names({"h.1.attn.c_proj"}) == Names{"1.attn.c_proj"});
  CHECK(names({"norm"}) == Names{"norm"});
  CHECK(names({}).empty());
}
