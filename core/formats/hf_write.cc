#include "core/formats/hf_write.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/formats/int8_tensor.h"
#include "core/formats/safetensors.h"
#include "core/quantised_weight.h"

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

bool has_int8_base(Linear& linear) { return linear.base().format() == std::string_view("int8"); }

/// Tensors of a file, and what owns their bytes.
struct WeightFile {
  std::map<std::string, StoredTensor> stored;
  std::vector<Tensor> held;
  std::deque<Int8Tensor> int8;

  void add(const std::string& name, const Tensor& value, bool conv1d) {
    Tensor written = value.detach().to(at::kCPU, at::kFloat);
    if (written.dim() == 2 && conv1d) written = written.t();
    held.push_back(written.contiguous());
    const Tensor& kept = held.back();
    stored[name] = {"F32", kept.sizes().vec(), static_cast<const uint8_t*>(kept.data_ptr()),
                    kept.nbytes()};
  }

  void add_int8(const std::string& path, Linear& linear) {
    Int8Tensor& weight = int8.emplace_back();
    weight.out = linear.out_features();
    weight.in = linear.in_features();
    linear.base().parameters("", [&](const std::string& name, const Tensor& value) {
      held.push_back(value.cpu().contiguous());
      const Tensor& kept = held.back();
      if (name == ".weight") {
        weight.codes = kept.const_data_ptr<int8_t>();
      } else {
        const auto* scales = kept.const_data_ptr<float>();
        weight.absmax.assign(scales, scales + kept.numel());
      }
    });
    stored.merge(int8_parts(weight, path + ".weight"));
  }
};

/// What transformers is not to quantise: endings that it never does, else whole paths.
std::vector<std::string> dense_modules(Model& model, const PeftFamily& family) {
  std::set<std::string> names;
  bool head = false;
  for (Linear* linear : model.linears()) {
    if (has_int8_base(*linear)) continue;
    const bool is_head = linear->kind() == SeamKind::head;
    const std::string path = module_path(family, linear->name(), is_head);
    const auto& kept = family.kept_float;
    const auto ending = std::find_if(
        kept.begin(), kept.end(), [&](const std::string& name) { return has_ending(path, name); });
    names.insert(ending == kept.end() ? path : *ending);
    head = head || is_head;
  }
  if (!head) names.insert("lm_head");  // it is a tied one
  return {names.begin(), names.end()};
}

Json read_config(const fs::path& path) {
  try {
    return Json::parse(text_of(path));
  } catch (const Json::exception&) {
    fail("{} is no valid JSON", path.string());
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
  WeightFile weights;
  for (Seam* seam : model.seams()) {
    const std::string path = module_path(family, seam->name(), seam->kind() == SeamKind::head);
    auto* linear = dynamic_cast<Linear*>(seam);
    const bool int8 = linear != nullptr && has_int8_base(*linear);
    if (int8) weights.add_int8(path, *linear);
    seam->parameters([&](const std::string& name, Tensor& value) {
      if (int8 && !name.ends_with(".bias")) return;
      if (name == "prompt_embeddings") {
        fail("virtual tokens are no part of a Hugging Face model; export without --merge");
      }
      if (!value.is_floating_point()) {
        fail("'{}' is quantised; merge into a dense base before the model is written", name);
      }
      weights.add(path + name.substr(seam->name().size()), value, is_conv1d(family, path));
    });
  }
  write_safetensors((fs::path(folder) / "model.safetensors").string(), weights.stored);
}

std::vector<std::string> copy_hf_settings(const std::string& source, const std::string& folder,
                                          int64_t classes) {
  const fs::path from(source), to(folder);
  if (!fs::is_regular_file(from / "config.json")) {
    fail("{} can't be read; the base's folder is needed again", (from / "config.json").string());
  }
  Json config = read_config(from / "config.json");
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

void write_hf_quantisation(const std::string& folder, Model& model, const PeftFamily& family) {
  const std::vector<Linear*> linears = model.linears();
  const auto first = std::find_if(linears.begin(), linears.end(),
                                  [](Linear* linear) { return has_int8_base(*linear); });
  if (first == linears.end()) return;
  const fs::path path = fs::path(folder) / "config.json";
  Json config = read_config(path);
  config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                   {"load_in_8bit", true},
                                   {"load_in_4bit", false},
                                   {"llm_int8_threshold", outlier_threshold((*first)->base())},
                                   {"llm_int8_skip_modules", dense_modules(model, family)},
                                   {"llm_int8_has_fp16_weight", false},
                                   {"llm_int8_enable_fp32_cpu_offload", false}};
  write_text_file(path, config.dump(2) + "\n");
}

}  // namespace lethe
