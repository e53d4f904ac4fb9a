// Checkpoints as parameters: names with and without wrappers, views of the mapped file, faults.
#include "tests/catch.h"
// After Catch.
#include "core/arena.h"
#include "core/error.h"
#include "core/memory.h"
#include "tests/hf_folder.h"

using namespace lethe;

namespace {

const std::vector<int64_t> kTokens = {3, 7, 12, 1, 9};

double difference(Model& a, Model& b) {
  return (row_logits(a, kTokens) - row_logits(b, kTokens)).abs().max().item<double>();
}

/// Writes the folder's weights again, each under the name that `rename` gives it; "" drops it.
template <class Rename>
void rewrite(const Scratch& scratch, const Rename& rename) {
  const Checkpoint old(scratch.folder());
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : old.tensors()) {
    if (const std::string now = rename(name); !now.empty()) stored[now] = tensor;
  }
  write_safetensors(scratch.path("model.safetensors"), stored);
}

std::string without(const std::string& name, const std::string& prefix) {
  return name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
}

/// The message with which the folder is refused, without its path.
std::string refusal(const Scratch& scratch) {
  try {
    open_folder(scratch);
  } catch (const Error& error) {
    return std::string(error.what()).substr(scratch.folder().size());
  }
  return "accepted";
}

const std::string kMisfit =
    " does not fit the model; its config.json and its weights have to be of one model:";

}  // namespace

TEST_CASE("every family's weights are read under their names with and without the wrapper's") {
  const struct {
    std::string text, prefix;
  } cases[] = {
      {gpt2_text(), "transformer."},
      {bloom_text(), "transformer."},
      {opt_text(), "model."},
      {llama_text(R"(, "num_key_value_heads": 2)"), "model."},
      {llama_text(R"(, "tie_word_embeddings": true, "attention_bias": true)"), "model."},
      {opt_text(R"(, "word_embed_proj_dim": 6, "do_layer_norm_before": false)"), "model."}};
  for (const auto& one : cases) {
    CAPTURE(one.text);
    const Scratch scratch;
    const auto model = write_folder(scratch, one.text);
    CHECK(difference(*model, *open_folder(scratch)) < 1e-5);
    rewrite(scratch, [&](const std::string& name) { return without(name, one.prefix); });
    CHECK(difference(*model, *open_folder(scratch)) < 1e-5);
    CHECK(row_logits(*model, kTokens).abs().max().item<double>() > 0.1);
  }
}

TEST_CASE("missing, unexpected and misshapen tensors are listed in one error") {
  const Scratch scratch;
  write_folder(scratch, llama_text());
  rewrite(scratch, [](const std::string& name) {
    if (name == "model.norm.weight") return std::string();
    return name == "model.layers.1.mlp.up_proj.weight" ? "model.layers.1.mlp.up.weight" : name;
  });
  CHECK(refusal(scratch) == kMisfit +
                                "\n  unexpected: model.layers.1.mlp.up.weight"
                                "\n  missing: model.layers.1.mlp.up_proj.weight"
                                "\n  missing: model.norm.weight");
  const Scratch other;
  write_folder(other, llama_text());
  other.write("config.json", llama_text(R"(, "num_key_value_heads": 2)"));
  std::string faults;
  for (const char* layer : {"0", "1"}) {
    for (const char* letter : {"k", "v"}) {
      faults += fmt::format(
          "\n  model.layers.{}.self_attn.{}_proj.weight: F32 of shape [8, 8], expected F32, F16, "
          "BF16 or F64 of shape [4, 8]",
          layer, letter);
    }
  }
  CHECK(refusal(other) == kMisfit + faults);
}

TEST_CASE(
    "buffers of old files are ignored, and a tied head may stand in the file if it is equal") {
  const Scratch scratch;
  const auto model = write_folder(scratch, gpt2_text());
  const auto with = [&](const std::string& extra, const std::string& of) {
    const Checkpoint old(scratch.folder());
    auto stored = old.tensors();
    stored[extra] = stored.at(of);
    write_safetensors(scratch.path("model.safetensors"), stored);
  };
  with("transformer.h.0.attn.masked_bias", "transformer.ln_f.bias");
  with("h.1.attn.bias", "transformer.ln_f.bias");
  with("lm_head.weight", "transformer.wte.weight");
  CHECK(difference(*model, *open_folder(scratch)) < 1e-5);
  with("lm_head.weight", "transformer.wpe.weight");
  CHECK(refusal(scratch) ==
        kMisfit +
            "\n  lm_head.weight: differs from transformer.wte.weight, to which config.json "
            "ties it");
  with("wte.weight", "transformer.wte.weight");
  with("lm_head.weight", "transformer.wte.weight");
  CHECK(refusal(scratch) == kMisfit + "\n  wte.weight: stands there under two names");
}

TEST_CASE("frozen weights stay in the mapped file, trained ones move to the arena") {
  install_memory_meter();
  const Scratch scratch;
  write_folder(scratch, gpt2_text());
  const int64_t base = live_bytes(Category::base_weights);
  const auto model = open_folder(scratch);
  const int64_t all = model->count(false) * 4;
  CHECK(live_bytes(Category::mapped_weights) == all);
  CHECK(live_bytes(Category::base_weights) - base == 0);
  const std::string before = file_bytes(scratch.path("model.safetensors"));
  {
    const at::NoGradGuard no_grad;
    Tensor bias = model->parameters().back().value;
    bias.add_(1);  // a page of this process alone
    CHECK(file_bytes(scratch.path("model.safetensors")) == before);
  }
  model->set_trainable(false);
  model->seams()[0]->set_trainable(true);
  Arena arena;
  arena.lay_out(*model);
  CHECK(live_bytes(Category::mapped_weights) == all - 20 * 8 * 4);
  std::filesystem::remove(scratch.path("model.safetensors"));
  CHECK(std::isfinite(row_logits(*model, kTokens).sum().item<double>()));
}

TEST_CASE("a mapping is let go with the last weight in it") {
  const Scratch scratch;
  write_folder(scratch, llama_text());
  const int64_t before = live_bytes(Category::mapped_weights);
  open_folder(scratch);
  CHECK(live_bytes(Category::mapped_weights) == before);
}
