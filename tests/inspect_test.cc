// Parameters of published models from their config.json alone, and `lethe inspect`'s text.
#include "tests/catch.h"
// After Catch.
#include "core/error.h"
#include "experiments/inspect.h"
#include "tests/hf_folder.h"

using namespace lethe;

namespace {

FolderFacts facts_of(const std::string& text) {
  const Scratch scratch;
  scratch.write("config.json", text);
  return folder_facts(scratch.folder());
}

std::string gpt2(int width, int layers, int heads) {
  return fmt::format(
      R"({{"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": {}, "n_layer": {},
          "n_head": {}}})",
      width, layers, heads);
}

std::string opt(int width, int layers, int heads, int mlp, const std::string& more = "") {
  return fmt::format(
      R"({{"model_type": "opt", "vocab_size": 50272, "max_position_embeddings": 2048,
          "hidden_size": {}, "num_hidden_layers": {}, "num_attention_heads": {}, "ffn_dim": {}{}}})",
      width, layers, heads, mlp, more);
}

std::string bloom(int width, int layers, int heads) {
  return fmt::format(
      R"({{"model_type": "bloom", "vocab_size": 250880, "n_embed": {}, "n_layer": {},
          "num_attention_heads": {}}})",
      width, layers, heads);
}

std::string t5(const std::string& type, int vocabulary, int width, int mlp, int layers, int heads,
               bool gated) {
  const char* more = gated ? R"("feed_forward_proj": "gated-gelu", "tie_word_embeddings": false)"
                           : R"("feed_forward_proj": "relu")";
  return fmt::format(
      R"({{"model_type": "{}", "vocab_size": {}, "d_model": {}, "d_kv": 64, "d_ff": {},
          "num_layers": {}, "num_heads": {}, "relative_attention_num_buckets": 32, {}}})",
      type, vocabulary, width, mlp, layers, heads, more);
}

std::string llama(int vocabulary, int width, int mlp, int layers, int heads, int kv_heads,
                  bool tied = false) {
  return fmt::format(
      R"({{"model_type": "llama", "vocab_size": {}, "hidden_size": {}, "intermediate_size": {},
          "num_hidden_layers": {}, "num_attention_heads": {}, "num_key_value_heads": {},
          "tie_word_embeddings": {}}})",
      vocabulary, width, mlp, layers, heads, kv_heads, tied);
}

std::string bert(const std::string& architecture) {
  return fmt::format(
      R"({{"model_type": "bert", "architectures": ["{}"], "vocab_size": 30522, "hidden_size": 768,
          "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
          "max_position_embeddings": 512, "type_vocab_size": 2}})",
      architecture);
}

}  // namespace

TEST_CASE("published models have their published numbers of parameters") {
  const std::string projected = R"(, "word_embed_proj_dim": 512, "do_layer_norm_before": false)";
  const std::vector<std::pair<std::string, int64_t>> published = {
      {gpt2(768, 12, 12), 124439808},
      {gpt2(1024, 24, 16), 354823168},
      {gpt2(1280, 36, 20), 774030080},
      {gpt2(1600, 48, 25), 1557611200},
      {opt(768, 12, 12, 3072), 125239296},
      {opt(1024, 24, 16, 4096, projected), 331196416},
      {opt(2048, 24, 32, 8192), 1315758080},
      {opt(4096, 32, 32, 16384), 6658473984},
      {bloom(1024, 24, 16), 559214592},
      {bloom(1536, 24, 16), 1065314304},
      {t5("t5", 32128, 512, 2048, 6, 8, false), 60506624},
      {t5("t5", 32128, 768, 3072, 12, 12, false), 222903552},
      {t5("t5", 32128, 512, 1024, 8, 6, true), 76961152},
      {t5("t5", 32128, 768, 2048, 12, 12, true), 247577856},
      {t5("mt5", 250112, 512, 1024, 8, 6, true), 300176768},
      {t5("mt5", 250112, 768, 2048, 12, 12, true), 582401280},
      {llama(32000, 4096, 11008, 32, 32, 32), 6738415616},
      {llama(32000, 2048, 5632, 22, 32, 4), 1100048384},
      {llama(128256, 2048, 8192, 16, 32, 8, true), 1235814400},
      {llama(128256, 3072, 8192, 28, 24, 8, true), 3212749824},
      {llama(128256, 4096, 14336, 32, 32, 8), 8030261248},
      {bert("BertModel"), 109482240},
      {bert("BertForSequenceClassification"), 109482240 + 1538}};
  for (const auto& [config, count] : published) {
    CAPTURE(config);
    const FolderFacts facts = facts_of(config);
    CHECK(facts.parameters == count);
    int64_t sum = 0;
    for (const auto& [group, size] : facts.groups) sum += size;
    CHECK(sum == count);
  }
}

TEST_CASE("LoRA of rank 8 on PEFT's default modules trains the published numbers") {
  const std::vector<std::pair<std::string, int64_t>> published = {
      {gpt2(768, 12, 12), 294912},
      {opt(768, 12, 12, 3072), 294912},
      {bloom(1024, 24, 16), 786432},
      {bloom(4096, 30, 32), 3932160},
      {t5("t5", 32128, 2048, 5120, 24, 32, true), 4718592},
      {t5("mt5", 250112, 4096, 10240, 24, 64, true), 9437184},
      {llama(32000, 4096, 11008, 32, 32, 32), 4194304},
      {llama(128256, 3072, 8192, 28, 24, 8, true), 9175040 / 4}};  // published: of rank 32
  for (const auto& [config, count] : published) {
    CAPTURE(config);
    CHECK(facts_of(config).adapter_size == count);
  }
  CHECK(facts_of(t5("t5", 32128, 2048, 5120, 24, 32, true)).adapted == 144);
}

TEST_CASE("groups are what the formulas say") {
  using Groups = std::vector<std::pair<std::string, int64_t>>;
  const int64_t w = 768;
  CHECK(facts_of(gpt2(768, 12, 12)).groups == Groups{{"embeddings", (50257 + 1024) * w},
                                                     {"attention", 12 * (4 * w * w + 4 * w)},
                                                     {"mlp", 12 * (8 * w * w + 5 * w)},
                                                     {"norms", 25 * 2 * w},
                                                     {"head", 0}});
  CHECK(facts_of(llama(32000, 2048, 5632, 22, 32, 4)).groups ==
        Groups{{"embeddings", 32000 * 2048},
               {"attention", 22 * (2 * 2048 * 2048 + 2 * 256 * 2048)},
               {"mlp", 22 * 3 * 5632 * 2048},
               {"norms", 45 * 2048},
               {"head", 32000 * 2048}});
  CHECK(facts_of(bert("BertForSequenceClassification")).groups ==
        Groups{{"embeddings", (30522 + 512 + 2) * w},
               {"attention", 12 * (4 * w * w + 4 * w)},
               {"mlp", 12 * (8 * w * w + 5 * w)},
               {"norms", 25 * 2 * w},
               {"head", w * w + w + 2 * w + 2}});
}

TEST_CASE("lethe inspect prints what a folder holds") {
  const Scratch scratch;
  write_folder(scratch,
               gpt2_text(R"(, "architectures": ["GPT2LMHeadModel"], "torch_dtype": "float16")"));
  scratch.write("tokenizer.json", "{}");
  CHECK(facts_text("models/small", folder_facts(scratch.folder())) ==
        "models/small\n"
        "  architecture   GPT2LMHeadModel (gpt2)\n"
        "  dtype          float16\n"
        "  parameters     2,176\n"
        "    embeddings   416\n"
        "    attention    576\n"
        "    mlp          1,104\n"
        "    norms        80\n"
        "    head         0 (the embeddings are the head)\n"
        "  lora, rank 8   512 parameters (19.05 %) in 2 modules: c_attn\n"
        "  weights        model.safetensors\n"
        "  tokenizer      tokenizer.json\n");
  scratch.write("config.json", R"({"model_type": "rwkv"})");
  CHECK_THROWS_WITH(
      folder_facts(scratch.folder()),
      scratch.folder() +
          "/config.json: 'model_type' is \"rwkv\", expected one of bert, bloom, gpt2, "
          "llama, mistral, mt5, opt, qwen2, t5");
  scratch.write("config.json", R"({"vocab_size": 20})");
  CHECK_THROWS_WITH(folder_facts(scratch.folder()),
                    scratch.folder() +
                        "/config.json: 'model_type' is absent, expected one of bert, bloom, gpt2, "
                        "llama, mistral, mt5, opt, qwen2, t5");
}

TEST_CASE("a dtype that config.json does not name is the commonest of the stored weights") {
  const Scratch scratch;
  scratch.write("config.json", gpt2_text());
  CHECK(folder_facts(scratch.folder()).dtype == "float32");
  const std::string data(8, 'x');
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  const std::string weights = scratch.path("model.safetensors");
  write_safetensors(weights, {{"a.weight", {"BF16", {2}, bytes, 4}},
                              {"a.bias", {"BF16", {1}, bytes, 2}},
                              {"b.weight", {"F32", {2}, bytes, 8}},
                              {"c.weight", {"U8", {2}, bytes, 2}},
                              {"c.weight.absmax", {"F32", {1}, bytes, 4}},
                              {"c.weight.quant_map", {"F32", {1}, bytes, 4}}});
  CHECK(folder_facts(scratch.folder()).dtype == "bfloat16");
  scratch.write("config.json", gpt2_text(R"(, "torch_dtype": "float16")"));
  CHECK(folder_facts(scratch.folder()).dtype == "float16");
  scratch.write("config.json", gpt2_text());
  write_safetensors(weights, {{"c.weight", {"U8", {2}, bytes, 2}}});
  CHECK(folder_facts(scratch.folder()).dtype == "float32");
}
