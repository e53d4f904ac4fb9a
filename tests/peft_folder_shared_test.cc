// peft's adapters on models opened from their Hugging Face folders: logits, generated tokens, and
// merged folders opened again.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "core/formats/hf_write.h"
#include "core/formats/peft_read.h"
#include "core/formats/peft_write.h"
#include "core/models/pretrained.h"
#include "tests/peft_case.h"

using namespace lethe;

namespace {

std::unique_ptr<Model> opened(const std::filesystem::path& folder) {
  PretrainedOptions options;
  options.path = folder.string();
  return open_pretrained(options, at::Generator());
}

/// Largest difference at real tokens from the logits that the fixture calls `name`.
double difference(Model& model, const std::map<std::string, Tensor>& expected, const char* name) {
  const at::NoGradGuard no_grad;
  const FixtureRows rows(expected);
  return rows.difference(model.forward(rows.all), expected.at(name));
}

template <class Check>
void for_every_folder(Check&& check) {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const std::pair<const char*, const char*> all[] = {
      {"gpt2", "gpt2"},        {"opt", "opt"},
      {"bloom", "bloom"},      {"llama", "llama"},
      {"llama_dora", "llama"}, {"opt_dora_bias", "opt"},
      {"gpt2_ia3", "gpt2"},    {"gpt2_bias_all", "gpt2"},
      {"llama_ln", "llama"},   {"llama_all_linear_rslora", "llama"},
      {"llama_ia3", "llama"}};
  for (const auto& [name, base] : all) {
    CAPTURE(name);
    check(*fixtures / "lora" / name, *fixtures / "hf" / base, peft_family(base));
  }
}

}  // namespace

TEST_CASE("an adapter on an opened checkpoint gives peft's logits and is written as it was") {
  for_every_folder([](const auto& folder, const auto& hf, const PeftFamily& family) {
    const auto model = opened(hf);
    const auto expected = named_tensors(folder / "expected.safetensors");
    CHECK(difference(*model, expected, "logits_base") < 1e-4);
    const PeftAdapter adapter = read_peft(folder.string(), *model, family);
    attach(*model, adapter.learned);
    CHECK(difference(*model, expected, "logits_adapter") < 1e-4);
    const Scratch scratch;
    write_peft(scratch.folder(), adapter.learned, *model, family, {});
    CHECK(file_bytes(scratch.path("adapter_model.safetensors")) ==
          file_bytes((folder / "adapter_model.safetensors").string()));
  });
}

TEST_CASE("an adapter on an opened checkpoint continues a row as peft does") {
  if (!shared_path("fixtures")) return;
  int continued = 0;
  for_every_folder([&](const auto& folder, const auto& hf, const PeftFamily& family) {
    const std::string text = file_bytes((folder / "expected.json").string());
    const auto facts = nlohmann::json::parse(text);
    if (!facts.contains("generate_row0")) return;
    const auto model = opened(hf);
    attach(*model, read_peft(folder.string(), *model, family).learned);
    const auto expected = named_tensors(folder / "expected.safetensors");
    const Tensor real = expected.at("attention_mask")[0].to(at::kBool);
    const Tensor prompt = expected.at("input_ids")[0].masked_select(real);
    std::vector<int64_t> row(prompt.data_ptr<int64_t>(),
                             prompt.data_ptr<int64_t>() + prompt.numel());
    GenerationOptions options;
    options.longest = 12;
    const auto made = model->continuations({row}, options)[0].ids;
    row.insert(row.end(), made.begin(), made.end());
    const std::vector<int64_t> theirs = facts["generate_row0"]["sequences"][0];
    CHECK(row == theirs);
    ++continued;
  });
  CHECK(continued == 5);
}

TEST_CASE("a merged folder opens as the model that peft merges") {
  for_every_folder([](const auto& folder, const auto& hf, const PeftFamily& family) {
    const auto model = opened(hf);
    attach(*model, read_peft(folder.string(), *model, family).learned);
    for (Linear* seam : model->linears()) seam->merge_adapters();
    const Scratch scratch;
    write_hf_weights(scratch.folder(), *model, family);
    const auto copied = copy_hf_settings(hf.string(), scratch.folder());
    CHECK(copied == std::vector<std::string>{"config.json", "generation_config.json"});
    const auto again = opened(scratch.folder());
    const auto expected = named_tensors(folder / "expected.safetensors");
    CHECK(difference(*again, expected, "logits_merged") < 1e-4);
    // The names and shapes are those of the checkpoint.
    const SafetensorsFile ours(scratch.path("model.safetensors"));
    const SafetensorsFile theirs((hf / "model.safetensors").string());
    CHECK(ours.tensors().size() == theirs.tensors().size());
    for (const auto& [name, stored] : theirs.tensors()) {
      CAPTURE(name);
      CHECK(ours.at(name).shape == stored.shape);
    }
  });
}

TEST_CASE("a merged folder says float32, and keeps the other settings") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const Scratch scratch;
  copy_hf_settings((*fixtures / "hf" / "llama_bf16").string(), scratch.folder());
  const std::string config = file_bytes(scratch.path("config.json"));
  CHECK_THAT(config, Catch::Contains("\"torch_dtype\": \"float32\"") &&
                         Catch::Contains("\"num_key_value_heads\": 2"));
  const Scratch none;
  CHECK_THROWS_WITH(copy_hf_settings(none.folder(), scratch.folder()),
                    none.path("config.json") + " can't be read; the base's folder is needed again");
}

TEST_CASE("a merged folder has its base's tokenizer and generation settings, byte for byte") {
  const std::vector<std::string> files = {"added_tokens.json",
                                          "chat_template.jinja",
                                          "generation_config.json",
                                          "merges.txt",
                                          "special_tokens_map.json",
                                          "spiece.model",
                                          "tokenizer.json",
                                          "tokenizer.model",
                                          "tokenizer_config.json",
                                          "vocab.json",
                                          "vocab.txt"};
  const Scratch base, merged;
  for (const std::string& name : files) base.write(name, "of " + name + "\r\n");
  base.write("README.md", "stays");
  base.write("config.json", "{}");
  std::vector<std::string> all = files;
  all.insert(all.begin() + 2, "config.json");
  CHECK(copy_hf_settings(base.folder(), merged.folder()) == all);
  for (const std::string& name : files) {
    CAPTURE(name);
    CHECK(file_bytes(merged.path(name)) == file_bytes(base.path(name)));
  }
  CHECK_FALSE(std::filesystem::exists(merged.path("README.md")));
}

TEST_CASE("virtual tokens are no part of a written model") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const Scratch scratch;
  const auto model = opened(*fixtures / "hf" / "llama");
  attach(*model,
         read_peft((*fixtures / "lora" / "llama_prompt").string(), *model, peft_family("llama"))
             .learned);
  CHECK_THROWS_WITH(write_hf_weights(scratch.folder(), *model, peft_family("llama")),
                    "virtual tokens are no part of a Hugging Face model; export without --merge");
}
