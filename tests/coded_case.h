// The folder of a float model and that of the same in codes. Include tests/catch.h first.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/formats/hf_write.h"
#include "core/quantised_weight.h"
#include "tests/hf_folder.h"
#include "tests/token_case.h"

namespace lethe {

/// The folder of a float model, and of the same in a format of base_formats() that has codes.
struct CodedFolders {
  explicit CodedFolders(const std::string& config, float threshold = 6,
                        const std::string& format = "int8") {
    model = write_folder(dense, config);
    family = &peft_family(HfConfig::read(dense.folder()).model_type());
    for (Linear* linear : model->linears()) {
      const bool kept = !family->kept_float.empty() && has_ending(linear->name(), "wo");
      if (linear->kind() != SeamKind::linear || kept) continue;
      if (format == "int8") {
        linear->set_base(make_int8(linear->base().dense(), threshold));
      } else {
        linear->set_format(format);
      }
    }
    write_hf_weights(coded.folder(), *model, *family);
    copy_hf_settings(dense.folder(), coded.folder());
    write_hf_quantisation(coded.folder(), *model, *family);
  }

  /// The folder's weights again, changed.
  template <class Change>
  void change(const Change& change) const {
    const Checkpoint old(coded.folder());
    auto stored = old.tensors();
    change(stored);
    write_safetensors(coded.path("model.safetensors"), stored);
  }
  void change_config(const std::string& key, const nlohmann::ordered_json& value) const {
    nlohmann::ordered_json config =
        nlohmann::ordered_json::parse(file_bytes(coded.path("config.json")));
    config["quantization_config"][key] = value;
    coded.write("config.json", config.dump());
  }
  /// What opening it says, without the folder's path.
  std::string error() const {
    try {
      open_folder(coded);
      return "accepted";
    } catch (const Error& error) {
      std::string text = error.what();
      for (size_t at; (at = text.find(coded.folder())) != std::string::npos;) {
        text.erase(at, coded.folder().size());
      }
      return text;
    }
  }

  Scratch dense, coded;
  std::unique_ptr<Model> model;  ///< quantised in memory
  const PeftFamily* family;
};

/// A product of llama_text()'s model, and of the folders made of it.
inline const std::string kUp = "model.layers.0.mlp.up_proj";

inline Linear& up_of(Model& model) {
  for (Linear* linear : model.linears()) {
    if (linear->name() == kUp) return *linear;
  }
  throw Error("the model has no " + kUp);
}

inline std::string coded_config(const std::string& family) {
  return family == "opt"     ? opt_text(R"(, "word_embed_proj_dim": 6)")
         : family == "bloom" ? bloom_text()
                             : token_config(family);
}

}  // namespace lethe
