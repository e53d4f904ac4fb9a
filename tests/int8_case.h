// The folder of a float model and that of the same in int8. Include tests/catch.h first.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/formats/hf_write.h"
#include "core/quantised_weight.h"
#include "tests/hf_folder.h"
#include "tests/token_case.h"

namespace lethe {

/// The folder of a float model, and of the same in int8.
struct Int8Folders {
  explicit Int8Folders(const std::string& config, float threshold = 6) {
    model = write_folder(dense, config);
    family = &peft_family(HfConfig::read(dense.folder()).model_type());
    for (Linear* linear : model->linears()) {
      const bool kept = !family->kept_float.empty() && has_ending(linear->name(), "wo");
      if (linear->kind() != SeamKind::linear || kept) continue;
      linear->set_base(make_int8(linear->base().dense(), threshold));
    }
    write_hf_weights(int8.folder(), *model, *family);
    copy_hf_settings(dense.folder(), int8.folder());
    write_hf_quantisation(int8.folder(), *model, *family);
  }

  /// The folder's weights again, changed.
  template <class Change>
  void change(const Change& change) const {
    const Checkpoint old(int8.folder());
    auto stored = old.tensors();
    change(stored);
    write_safetensors(int8.path("model.safetensors"), stored);
  }
  void change_config(const std::string& key, const nlohmann::ordered_json& value) const {
    nlohmann::ordered_json config =
        nlohmann::ordered_json::parse(file_bytes(int8.path("config.json")));
    config["quantization_config"][key] = value;
    int8.write("config.json", config.dump());
  }
  /// What opening it says, without the folder's path.
  std::string error() const {
    try {
      open_folder(int8);
      return "accepted";
    } catch (const Error& error) {
      std::string text = error.what();
      for (size_t at; (at = text.find(int8.folder())) != std::string::npos;) {
        text.erase(at, int8.folder().size());
      }
      return text;
    }
  }

  Scratch dense, int8;
  std::unique_ptr<Model> model;  ///< quantised in memory
  const PeftFamily* family;
};

inline std::string int8_config(const std::string& family) {
  return family == "opt"     ? opt_text(R"(, "word_embed_proj_dim": 6)")
         : family == "bloom" ? bloom_text()
                             : token_config(family);
}

}  // namespace lethe
