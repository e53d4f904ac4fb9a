// What was learned as one safetensors file: every value under its parameter's name, the settings of
// the adapters as JSON in the metadata.
#include <nlohmann/json.hpp>

#include "core/adapters/learned.h"
#include "core/error.h"

namespace lethe {
namespace {

using nlohmann::json;

constexpr const char* kKey = "lethe.adapters";
const char* const kKinds[] = {"lora", "dora", "ia3"};

json settings_of(const AdapterForm& form) {
  json ends = json::array();
  for (const auto& [end, value] : form.values) ends.push_back(end);
  return {{"kind", kKinds[static_cast<size_t>(form.kind)]},
          {"alpha", form.alpha},
          {"dropout", form.dropout},
          {"rslora", form.rslora},
          {"on_input", form.on_input},
          {"values", ends}};
}

AdapterForm form_from(const json& settings) {
  AdapterForm form;
  const std::string kind = settings.at("kind");
  form.kind = kind == "lora"   ? AdapterForm::Kind::lora
              : kind == "dora" ? AdapterForm::Kind::dora
                               : AdapterForm::Kind::ia3;
  form.alpha = settings.at("alpha");
  form.dropout = settings.at("dropout");
  form.rslora = settings.at("rslora");
  form.on_input = settings.at("on_input");
  return form;
}

}  // namespace

void write_learned(const std::string& path, const Learned& learned,
                   const std::map<std::string, std::string>& metadata) {
  std::map<std::string, StoredTensor> stored;
  const auto add = [&stored](const std::string& name, const Tensor& value) {
    stored[name] = {"F32", value.sizes().vec(), static_cast<const uint8_t*>(value.data_ptr()),
                    value.nbytes()};
  };
  json adapters = json::object();
  for (const auto& [name, value] : learned.values) add(name, value);
  for (const auto& [seam, form] : learned.adapters) {
    adapters[seam] = settings_of(form);
    for (const auto& [end, value] : form.values) add(seam + "." + end, value);
  }
  std::map<std::string, std::string> all = metadata;
  all[kKey] = adapters.dump();
  write_safetensors(path, stored, all);
}

Learned read_learned(const SafetensorsFile& file) {
  const auto settings = file.metadata().find(kKey);
  if (settings == file.metadata().end()) {
    fail("{} holds no kept values of a trial: its metadata lacks '{}'", file.path(), kKey);
  }
  Learned learned;
  std::set<std::string> taken;
  try {
    const json all = json::parse(settings->second);
    for (const auto& [seam, entry] : all.items()) {
      AdapterForm form = form_from(entry);
      for (const json& given : entry.at("values")) {
        const std::string end = given;
        const std::string name = seam + "." + end;
        form.values[end] = float_tensor(file.at(name), name);
        taken.insert(name);
      }
      learned.adapters[seam] = std::move(form);
    }
  } catch (const json::exception&) {
    fail("{}: '{}' of its metadata is damaged; keep the trial's values again with lethe run --keep",
         file.path(), kKey);
  }
  for (const auto& [name, stored] : file.tensors()) {
    if (taken.count(name) == 0) learned.values[name] = float_tensor(stored, name);
  }
  return learned;
}

}  // namespace lethe
