// Small Hugging Face folders made by tests. Include tests/catch.h first.
#pragma once

#include <memory>
#include <string>

#include "core/models/decoder.h"
#include "core/models/pretrained.h"
#include "core/seeds.h"
#include "tests/engine_case.h"
#include "tests/files.h"

namespace lethe {

// config.json of 20 ids, width 8, 2 layers and 4 heads; `more` is further members.
inline std::string llama_text(const std::string& more = "") {
  return R"({"model_type": "llama", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2,
             "num_attention_heads": 4, "intermediate_size": 12, "max_position_embeddings": 32)" +
         more + "}";
}
inline std::string gpt2_text(const std::string& more = "") {
  return R"({"model_type": "gpt2", "vocab_size": 20, "n_embd": 8, "n_layer": 2, "n_head": 4,
             "n_positions": 32)" +
         more + "}";
}
inline std::string opt_text(const std::string& more = "") {
  return R"({"model_type": "opt", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2,
             "num_attention_heads": 4, "ffn_dim": 12, "max_position_embeddings": 32)" +
         more + "}";
}
inline std::string bloom_text(const std::string& more = "") {
  return R"({"model_type": "bloom", "vocab_size": 20, "n_embed": 8, "n_layer": 2, "n_head": 4)" +
         more + "}";
}

/// The model of a folder, its weights drawn where init is random.
inline std::unique_ptr<Model> open_folder(const Scratch& scratch,
                                          const std::string& init = "checkpoint",
                                          const std::string& dropout = "none") {
  PretrainedOptions options;
  options.path = scratch.folder();
  options.init = init;
  options.dropout = dropout;
  return open_pretrained(options, init == "random" ? make_generator(4) : at::Generator());
}

/// Writes this config and the weights of a random model of it as Hugging Face would, and returns
/// that model. Weights are spread, so that outputs depend on them.
inline std::unique_ptr<Model> write_folder(const Scratch& scratch, const std::string& text) {
  scratch.write("config.json", text);
  auto model = open_folder(scratch, "random");
  const at::NoGradGuard no_grad;
  at::Generator generator = make_generator(5);
  std::map<std::string, StoredTensor> stored;
  std::vector<Tensor> kept;
  for (Parameter& parameter : model->parameters()) {
    parameter.value.normal_(0.1, 0.5, generator);
    const bool conv = parameter.name.find(".h.") != std::string::npos &&
                      text.find("gpt2") != std::string::npos && parameter.value.dim() == 2;
    kept.push_back((conv ? parameter.value.t() : parameter.value).detach().contiguous());
    const Tensor& value = kept.back();
    stored[parameter.name] = {"F32", value.sizes().vec(),
                              static_cast<const uint8_t*>(value.data_ptr()), value.nbytes()};
  }
  write_safetensors(scratch.path("model.safetensors"), stored);
  return model;
}

/// Logits (L, V) of one row.
inline Tensor row_logits(Model& model, const std::vector<int64_t>& ids) {
  const at::NoGradGuard no_grad;
  return dynamic_cast<Decoder&>(model).all_logits(at::tensor(ids).unsqueeze(0), {})[0];
}

}  // namespace lethe
