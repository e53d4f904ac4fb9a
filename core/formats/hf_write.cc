#include "core/formats/hf_write.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/formats/fourbit_tensor.h"
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

bool is_coded(Linear& linear) { return has_codes(linear.base().format()); }

/// Tensors of a file, and what owns their bytes.
struct WeightFile {
  std::map<std::string, StoredTensor> stored;
  std::vector<Tensor> held;
  std::deque<Int8Tensor> int8;
  std::deque<FourBitParts> four_bit;

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

  void add_codes(const std::string& path, Linear& linear) {
    if (linear.base().format() == std::string_view("int8")) return add_int8(path, linear);
    const FourBitTensor weight = four_bit_tensor(linear.base(), &held.emplace_back());
    four_bit.push_back(four_bit_parts(weight, path + ".weight"));
    stored.merge(four_bit.back().tensors);
  }
};

/// What transformers is not to quantise: endings that it never does, else whole paths.
std::vector<std::string> dense_modules(Model& model, const PeftFamily& family) {
  std::set<std::string> names;
  bool head = false;
  for (Linear* linear : model.linears()) {
    if (is_coded(*linear)) continue;
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

/// quantization_config as transformers writes it for bitsandbytes.
Json quantisation_settings(Linear& linear, const std::vector<std::string>& dense) {
  const std::string format = linear.base().format();
  const bool eight = format == "int8";
  Json settings = {{"quant_method", "bitsandbytes"},
                   {"load_in_8bit", eight},
                   {"load_in_4bit", !eight},
                   {"llm_int8_threshold", outlier_threshold(linear.base())},
                   {"llm_int8_skip_modules", dense},
                   {"llm_int8_has_fp16_weight", false},
                   {"llm_int8_enable_fp32_cpu_offload", false}};
  if (eight) return settings;
  settings["bnb_4bit_quant_type"] = format.substr(0, format.find('-'));
  settings["bnb_4bit_use_double_quant"] = format.ends_with("-dq");
  settings["bnb_4bit_compute_dtype"] = "float32";
  settings["bnb_4bit_quant_storage"] = "uint8";
  return settings;
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
    const bool coded = linear != nullptr && is_coded(*linear);
    if (coded) weights.add_codes(path, *linear);
    seam->parameters([&](const std::string& name, Tensor& value) {
      if (coded && !name.ends_with(".bias")) return;
      if (name == "prompt_embeddings") {
        fail("virtual tokens are no part of a Hugging Face model; export without --merge");
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
                                  [](Linear* linear) { return is_coded(*linear); });
  if (first == linears.end()) return;
  const fs::path path = fs::path(folder) / "config.json";
  Json config = read_config(path);
  config["quantization_config"] = quantisation_settings(**first, dense_modules(model, family));
  write_text_file(path, config.dump(2) + "\n");
}

}  // namespace lethe
