#include "core/formats/hf_config.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"

namespace lethe {
namespace {

using nlohmann::json;

constexpr int kDeepest = 16;  // levels of nesting: writing JSON out takes stack

std::string shortened(const std::string& text) {
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

json parse_object(const std::string& text, const std::string& path) {
  json root;
  try {
    root = json::parse(text, [&](int depth, json::parse_event_t, json&) {
      if (depth > kDeepest) fail("{} is nested more than {} levels deep", path, kDeepest);
      return true;
    });
  } catch (const json::parse_error& error) {
    fail("{} is no JSON: byte {} is not what JSON has there; fetch the file again", path,
         error.byte);
  } catch (const json::exception& error) {
    fail("{} is no JSON: {}; fetch the file again", path, error.what());
  }
  if (!root.is_object()) {
    fail("{} holds no JSON object; expected one such as {{\"model_type\": \"gpt2\", ...}}", path);
  }
  return root;
}

/// Every value under its dotted key, objects also as a whole. Bytes that are no UTF-8 are replaced.
void flatten(const json& object, const std::string& prefix,
             std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    values[prefix + key] = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (value.is_object()) flatten(value, prefix + key + ".", values);
  }
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) fail("{} can't be read; see that it is a file that may be read", path);
  return text.str();
}

}  // namespace

HfConfig HfConfig::read(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  if (!std::filesystem::exists(path)) {
    fail("{} has no config.json; give a model's folder in Hugging Face's layout", folder);
  }
  return parse(file_text(path), path);
}

HfConfig HfConfig::parse(const std::string& text, const std::string& path) {
  HfConfig config;
  config.path_ = path;
  flatten(parse_object(text, path), "", config.values_);
  return config;
}

const std::string* HfConfig::found(const Keys& keys, std::string* key) const {
  for (const std::string& name : keys) {
    const auto value = values_.find(name);
    if (value == values_.end()) continue;
    if (key != nullptr) *key = name;
    return &value->second;
  }
  return nullptr;
}

const std::string& HfConfig::needed(const Keys& keys, const char* expected) const {
  const std::string* value = found(keys);
  if (value == nullptr) {
    fail("{} lacks '{}'; expected {}", path_, fmt::join(keys, "' or '"), expected);
  }
  return *value;
}

void HfConfig::refuse(const Keys& keys, const std::string& expected) const {
  std::string key = keys.at(0);
  const std::string* value = found(keys, &key);
  fail("{}: '{}' is {}, expected {}", path_, key, value == nullptr ? "absent" : shortened(*value),
       expected);
}

std::vector<std::string> HfConfig::architectures() const { return names({"architectures"}); }

std::vector<std::string> HfConfig::names(const Keys& keys) const {
  const std::string* value = found(keys);
  if (value == nullptr) return {};
  const json list = json::parse(*value);
  std::vector<std::string> names;
  if (!list.is_array()) refuse(keys, "a list of names");
  for (const json& name : list) {
    if (!name.is_string()) refuse(keys, "a list of names");
    names.push_back(name.get<std::string>());
  }
  return names;
}

int64_t HfConfig::integer(const Keys& keys) const {
  const json value = json::parse(needed(keys, "an integer"));
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  if (!fits) refuse(keys, "an integer");
  return value.get<int64_t>();
}

int64_t HfConfig::integer(const Keys& keys, int64_t fallback) const {
  return has(keys) ? integer(keys) : fallback;
}

int64_t HfConfig::within(const Keys& keys, int64_t most) const {
  const int64_t value = integer(keys);
  if (value < 1 || value > most) refuse(keys, fmt::format("an integer from 1 to {}", most));
  return value;
}

int64_t HfConfig::size(const Keys& keys) const {
  return within(keys, INT32_MAX);  // products of two sizes stay within 64 bits
}

int64_t HfConfig::size(const Keys& keys, int64_t fallback) const {
  return has(keys) ? size(keys) : fallback;
}

double HfConfig::number(const Keys& keys) const {
  const json value = json::parse(needed(keys, "a number"));
  if (!value.is_number()) refuse(keys, "a number");
  return value.get<double>();
}

double HfConfig::number(const Keys& keys, double fallback) const {
  return has(keys) ? number(keys) : fallback;
}

bool HfConfig::flag(const Keys& keys, bool fallback) const {
  const std::string* value = found(keys);
  if (value == nullptr) return fallback;
  if (*value != "true" && *value != "false") refuse(keys, "true or false");
  return *value == "true";
}

std::string HfConfig::text(const Keys& keys) const {
  const json value = json::parse(needed(keys, "a text"));
  if (!value.is_string()) refuse(keys, "a text");
  return value.get<std::string>();
}

std::string HfConfig::text(const Keys& keys, const std::string& fallback) const {
  return has(keys) ? text(keys) : fallback;
}

std::vector<int64_t> HfConfig::ids(const Keys& keys) const {
  const std::string* found_value = found(keys);
  if (found_value == nullptr) return {};
  const json value = json::parse(*found_value);
  std::vector<int64_t> ids;
  for (const json& id : value.is_array() ? value : json::array({value})) {
    const bool fits =
        id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= INT32_MAX;
    if (!fits) refuse(keys, "a token id or a list of token ids");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

int64_t HfConfig::entries(const Keys& keys) const {
  const std::string* value = found(keys);
  if (value == nullptr) return 0;
  const json parsed = json::parse(*value);
  if (!parsed.is_object() && !parsed.is_array()) refuse(keys, "an object or a list");
  return static_cast<int64_t>(parsed.size());
}

GenerationConfig GenerationConfig::read(const std::string& folder, const HfConfig& config) {
  const std::string path = (std::filesystem::path(folder) / "generation_config.json").string();
  const HfConfig own =
      std::filesystem::exists(path) ? HfConfig::parse(file_text(path), path) : config;
  const auto id = [&own](const char* key) {
    const std::vector<int64_t> ids = own.ids({key});
    return ids.empty() ? -1 : ids[0];
  };
  GenerationConfig generation;
  generation.path = own.path();
  generation.end_ids = own.ids({"eos_token_id"});
  generation.pad_id = id("pad_token_id");
  generation.begin_id = id("bos_token_id");
  generation.decoder_start_id = id("decoder_start_token_id");
  if (own.has({"max_length"})) generation.max_length = own.size({"max_length"});
  if (own.has({"max_new_tokens"})) generation.max_new = own.size({"max_new_tokens"});
  generation.do_sample = own.flag({"do_sample"}, generation.do_sample);
  generation.temperature = own.number({"temperature"}, generation.temperature);
  generation.top_p = own.number({"top_p"}, generation.top_p);
  generation.top_k = own.integer({"top_k"}, generation.top_k);
  generation.repetition_penalty = own.number({"repetition_penalty"}, generation.repetition_penalty);
  generation.no_repeat_ngram = own.integer({"no_repeat_ngram_size"}, generation.no_repeat_ngram);
  generation.beams = own.size({"num_beams"}, generation.beams);
  return generation;
}

}  // namespace lethe
