// Adapter folders that do not fit, and what a folder may hold beside its adapter.
#include "tests/catch.h"
// After Catch.
#include "core/formats/peft_read.h"
#include "core/formats/peft_write.h"
#include "tests/adapter_case.h"
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

/// An adapter folder of these tensors (all ones) for small_decoder("llama").
struct Folder {
  Folder(const std::string& config, const std::map<std::string, std::vector<int64_t>>& shapes,
         const std::string& prefix = "base_model.model.") {
    scratch.write("adapter_config.json", config);
    std::map<std::string, StoredTensor> stored;
    std::vector<Tensor> held;
    for (const auto& [name, shape] : shapes) {
      held.push_back(at::ones(shape));
      stored[prefix + name] = {"F32", shape, static_cast<const uint8_t*>(held.back().data_ptr()),
                               held.back().nbytes()};
    }
    write_safetensors(scratch.path("adapter_model.safetensors"), stored);
  }
  PeftAdapter read() {
    const auto model = small_decoder("llama");
    return read_peft(scratch.folder(), *model, peft_family("llama"));
  }
  std::string message() {
    try {
      read();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  Scratch scratch;
};

const std::string kLoraConfig =
    R"({"peft_type": "LORA", "r": 2, "target_modules": ["1.self_attn.q_proj"])";
const std::string kQ = "model.layers.1.self_attn.q_proj.";

}  // namespace

TEST_CASE("missing, unexpected and misshapen tensors are listed in full") {
  Folder folder(kLoraConfig + R"(, "bias": "none", "modules_to_save": ["model.norm"]})",
                {{kQ + "lora_A.weight", {3, 16}},
                 {"model.layers.1.self_attn.k_proj.lora_A.weight", {2, 16}},
                 {"model.norm.weight", {16}}});
  CHECK(folder.message() == folder.scratch.path("adapter_model.safetensors") +
                                " does not fit its adapter_config.json and the model:\n"
                                "  unexpected: base_model.model.model.layers.1.self_attn.k_proj."
                                "lora_A.weight\n"
                                "  base_model.model." +
                                kQ +
                                "lora_A.weight: F32 [3, 16], expected [2, 16]\n"
                                "  missing: base_model.model." +
                                kQ + "lora_B.weight");
}

TEST_CASE("biases that peft repeats under the names of its wrapper are passed over") {
  const std::map<std::string, std::vector<int64_t>> shapes = {
      {kQ + "lora_A.weight", {2, 16}},
      {kQ + "lora_B.weight", {16, 2}},
      {"model.norm.weight", {16}},
      {"model.norm.modules_to_save.bias", {16}},
      {"model.norm.original_module.bias", {16}}};
  const std::string saved = kLoraConfig + R"(, "modules_to_save": ["model.norm"], "bias": )";
  CHECK(Folder(saved + R"("all"})", shapes).read().learned.values.size() == 1);
  CHECK_THAT(Folder(saved + R"("none"})", shapes).message(),
             Catch::Contains("unexpected: base_model.model.model.norm.modules_to_save.bias\n") &&
                 Catch::Contains("unexpected: base_model.model.model.norm.original_module.bias"));
}

TEST_CASE("virtual tokens of another width are refused") {
  Folder folder(R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3})",
                {{"prompt_embeddings", {3, 8}}}, "");
  CHECK(folder.message() == folder.scratch.path("adapter_model.safetensors") +
                                " does not fit its adapter_config.json and the model:\n"
                                "  prompt_embeddings: F32 [3, 8], expected [3, 16]");
  CHECK(Folder(R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3})",
               {{"prompt_embeddings", {3, 16}}}, "")
            .read()
            .learned.values.at("prompt_embeddings")
            .size(0) == 3);
}

TEST_CASE("virtual tokens of an encoder-decoder stand before its source, or are refused") {
  const auto model = small_seq2seq(false);
  const PeftFamily& family = peft_family("t5");
  const auto folder = [](const std::string& more, int64_t rows) {
    return std::make_unique<Folder>(
        R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3, )" + more + "}",
        std::map<std::string, std::vector<int64_t>>{{"prompt_embeddings", {rows, 12}}}, "");
  };
  const std::pair<std::string, std::string> wrong[] = {
      {R"("task_type": "SEQ_2_SEQ_LM")", "null"},
      {R"("task_type": "SEQ_2_SEQ_LM", "num_transformer_submodules": null)", "null"},
      {R"("task_type": "SEQ_2_SEQ_LM", "num_transformer_submodules": 2)", "2"},
      {R"("num_transformer_submodules": 2)", "2"}};
  for (const auto& [more, value] : wrong) {
    const auto refused = folder(more, 6);
    CHECK_THROWS_WITH(read_peft(refused->scratch.folder(), *model, family),
                      refused->scratch.path("adapter_config.json") +
                          ": num_transformer_submodules is " + value +
                          ", expected 1, a prompt before the source alone (null is 2 for "
                          "SEQ_2_SEQ_LM); train with num_transformer_submodules = 1");
  }
  const auto read = folder(R"("task_type": "SEQ_2_SEQ_LM", "num_transformer_submodules": 1)", 3);
  const PeftAdapter adapter = read_peft(read->scratch.folder(), *model, family);
  CHECK(adapter.learned.values.at("prompt_embeddings").equal(at::ones({3, 12})));
  const Scratch written;
  write_peft(written.folder(), adapter.learned, *model, family, {});
  const auto config = nlohmann::json::parse(file_bytes(written.path("adapter_config.json")));
  CHECK(config.at("task_type") == "SEQ_2_SEQ_LM");
  CHECK(config.at("num_transformer_submodules") == 1);
  CHECK(config.at("num_virtual_tokens") == 3);
}

TEST_CASE("targets and saved modules that reach nothing are refused with what the model has") {
  Folder wrong(R"({"peft_type": "LORA", "target_modules": ["c_attn"]})", {});
  CHECK_THAT(wrong.message(),
             Catch::StartsWith(wrong.scratch.folder() +
                               ": target_modules 'c_attn' names no module of the model, which has: "
                               "model.embed_tokens, ") &&
                 Catch::EndsWith(", model.norm, lm_head"));
  Folder whole(kLoraConfig + R"(, "modules_to_save": ["score"]})", {});
  CHECK_THAT(whole.message(), Catch::Contains(": modules_to_save 'score' names no module of the "
                                              "model, which has: model.embed_tokens, "));
  // peft writes both names for a classifier, and only one exists.
  Folder either(
      kLoraConfig + R"(, "task_type": "SEQ_CLS", "modules_to_save": ["classifier", "score"]})",
      {{kQ + "lora_A.weight", {2, 16}}, {kQ + "lora_B.weight", {16, 2}}});
  CHECK(either.message().empty());
}

TEST_CASE("an adapter without the class's prefix, of half floats, and with the resized embedding") {
  Folder plain(kLoraConfig + "}", {{"layers.1.self_attn.q_proj.lora_A.weight", {2, 16}},
                                   {"layers.1.self_attn.q_proj.lora_B.weight", {16, 2}}});
  CHECK(plain.read().learned.adapters.at("layers.1.self_attn.q_proj").rank() == 2);
  Folder resized(kLoraConfig + "}", {{kQ + "lora_A.weight", {2, 16}},
                                     {kQ + "lora_B.weight", {16, 2}},
                                     {"model.embed_tokens.weight", {24, 16}}});
  CHECK(resized.read().learned.values.at("embed_tokens.weight").size(0) == 24);
  const std::vector<uint8_t> half(2 * 16 * 2, 0x3c);  // 0x3c3c is 1.05859375 in F16
  Folder folder(kLoraConfig + "}", {});
  write_safetensors(folder.scratch.path("adapter_model.safetensors"),
                    {{kQ + "lora_A.weight", {"F16", {2, 16}, half.data(), half.size()}},
                     {kQ + "lora_B.weight", {"F16", {16, 2}, half.data(), half.size()}}});
  const Tensor a =
      folder.read().learned.adapters.at("layers.1.self_attn.q_proj").values.at("lora_A.weight");
  CHECK(a.equal(at::full({2, 16}, 1.05859375)));
}

TEST_CASE("adapters of embeddings, and pickled ones, are refused") {
  Folder folder(R"({"peft_type": "LORA", "target_modules": ["embed_tokens"]})", {});
  CHECK(folder.message() ==
        folder.scratch.folder() +
            ": target_modules names the embedding 'model.embed_tokens'; adapters "
            "of embeddings are not supported");
  Folder pickled(kLoraConfig + "}", {});
  std::filesystem::rename(pickled.scratch.path("adapter_model.safetensors"),
                          pickled.scratch.path("adapter_model.bin"));
  CHECK(pickled.message() == pickled.scratch.folder() +
                                 " holds adapter_model.bin, which is not read; write the adapter "
                                 "again with save_pretrained(..., safe_serialization=True)");
}
