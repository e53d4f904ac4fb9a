#include "core/formats/hf_write.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/formats/safetensors.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const char* const kCopied[] = {"added_tokens.json",
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

bool is_conv1d(const PeftFamily& family, const std::string& path) {
  return std::any_of(family.conv1d.begin(), family.conv1d.end(),
                     [&](const std::string& name) { return has_ending(path, name); });
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    fail("{} can't be written; check the folder and the space on its disk", path.string());
  }
}

void set_classes(Json& config, int64_t classes) {
  if (config.value("model_type", "") == "bert") {
    config["architectures"] = {"BertForSequenceClassification"};
  }
  const auto labels = config.find("id2label");
  if (labels != config.end() && labels->size() == static_cast<size_t>(classes)) return;
  Json names = Json::object(), places = Json::object();
  for (int64_t label = 0; label < classes; ++label) {
    names[std::to_string(label)] = "LABEL_" + std::to_string(label);
    places["LABEL_" + std::to_string(label)] = label;
  }
  config["id2label"] = names;
  config["label2id"] = places;
  config.erase("num_labels");
}

}  // namespace

void write_hf_weights(const std::string& folder, Model& model, const PeftFamily& family) {
  std::map<std::string, StoredTensor> stored;
  std::vector<Tensor> held;
  for (Seam* seam : model.seams()) {
    const std::string path = module_path(family, seam->name(), seam->kind() == SeamKind::head);
    seam->parameters([&](const std::string& name, Tensor& value) {
      if (name == "prompt_embeddings") {
        fail("virtual tokens are no part of a Hugging Face model; export without --merge");
      }
      if (!value.is_floating_point()) {
        fail("'{}' is quantised; merge into a dense base before the model is written", name);
      }
      Tensor written = value.detach().to(at::kCPU, at::kFloat);
      if (written.dim() == 2 && is_conv1d(family, path)) written = written.t();
      held.push_back(written.contiguous());
      const Tensor& kept = held.back();
      stored[path + name.substr(seam->name().size())] = {
          "F32", kept.sizes().vec(), static_cast<const uint8_t*>(kept.data_ptr()), kept.nbytes()};
    });
  }
  write_safetensors((fs::path(folder) / "model.safetensors").string(), stored);
}

std::vector<std::string> copy_hf_settings(const std::string& source, const std::string& folder,
                                          int64_t classes) {
  const fs::path from(source), to(folder);
  if (!fs::is_regular_file(from / "config.json")) {
    fail("{} can't be read; the base's folder is needed again", (from / "config.json").string());
  }
  Json config;
  try {
    config = Json::parse(text_of(from / "config.json"));
  } catch (const Json::exception&) {
    fail("{} is no valid JSON", (from / "config.json").string());
  }
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (config.contains(key)) config[key] = "float32";
  }
  config.erase("quantization_config");
  if (classes > 0) set_classes(config, classes);
  write_text_file(to / "config.json", config.dump(2) + "\n");
  std::vector<std::string> names = {"config.json"};
  for (const char* name : kCopied) {
    if (!fs::is_regular_file(from / name)) continue;
    write_text_file(to / name, text_of(from / name));  // not a copy of its permissions
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace lethe
