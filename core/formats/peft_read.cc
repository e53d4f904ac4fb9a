#include "core/formats/peft_read.h"

#include <algorithm>
#include <filesystem>

#include "core/digest.h"
#include "core/error.h"
#include "core/prompt.h"

namespace lethe {
namespace {

const std::string kWrapper = "base_model.model.";

/// Where a tensor of the file belongs.
struct Place {
  std::vector<int64_t> shape;
  std::string seam, end;  ///< of an adapter's value
  std::string parameter;  ///< of a base value; empty for an adapter's
  bool required = true;
};

class Reading {
 public:
  Reading(const std::string& folder, Model& model, const PeftFamily& family)
      : folder_(folder),
        config_(read_peft_config(folder)),
        match_(config_, family),
        family_(family),
        model_(model) {}

  PeftAdapter read() {
    if (config_.type == PeftType::prompt_tuning) {
      const int64_t width = prompt_of(model_).tokens().weight().size(1);
      places_["prompt_embeddings"] = {{config_.virtual_tokens, width}, "", "", "prompt_embeddings"};
    } else {
      for (Seam* seam : model_.seams()) place(*seam);
      check_reached();
    }
    take();
    return {config_, std::move(learned_)};
  }

 private:
  void place(Seam& seam) {
    const bool head = seam.kind() == SeamKind::head;
    const std::string path = module_path(family_, seam.name(), head);
    paths_.push_back(path);
    auto* linear = dynamic_cast<Linear*>(&seam);
    const bool target = match_.target(path, head) && seam.name() != "prompt_embeddings";
    if (match_.saved_whole(path)) {
      place_base(seam, path + ".", true);
    } else if (target && config_.type == PeftType::ln_tuning) {
      place_base(seam, path + ".ln_tuning_layers.", true);
      ++targets_;
    } else if (target && linear != nullptr) {
      place_adapter(*linear, path);
      ++targets_;
    } else if (target && seam.kind() == SeamKind::embedding) {
      fail("{}: target_modules names the embedding '{}'; adapters of embeddings are not supported",
           folder_, path);
    } else if (seam.kind() == SeamKind::embedding || head) {
      place_base(seam, path + ".", false);  // peft adds them where the vocabulary was resized
    }
    const bool adapted = target && linear != nullptr;
    if (config_.bias == "all" || (config_.bias == "lora_only" && adapted)) {
      place_bias(seam, path + (adapted ? ".base_layer.bias" : ".bias"));
    }
  }

  void place_adapter(const Linear& seam, const std::string& path) {
    const auto add = [&](const std::string& end, std::vector<int64_t> shape) {
      places_[path + "." + end] = {std::move(shape), seam.name(), end, ""};
    };
    AdapterForm& form = learned_.adapters[seam.name()];
    const int64_t in = seam.in_features(), out = seam.out_features();
    if (config_.type == PeftType::ia3) {
      form.kind = AdapterForm::Kind::ia3;
      form.on_input = match_.feedforward(path);
      if (form.on_input) return add("ia3_l", {1, in});
      return add("ia3_l", {out, 1});
    }
    form.kind = config_.dora ? AdapterForm::Kind::dora : AdapterForm::Kind::lora;
    form.alpha = match_.alpha(path);
    form.dropout = config_.dropout;
    form.rslora = config_.rslora;
    const int64_t rank = match_.rank(path);
    add("lora_A.weight", {rank, in});
    add("lora_B.weight", {out, rank});
    if (config_.dora) add("lora_magnitude_vector", {out});
  }

  void place_base(Seam& seam, const std::string& prefix, bool required) {
    seam.parameters([&](const std::string& name, Tensor& value) {
      const std::string end = name.substr(name.rfind('.') + 1);
      places_[prefix + end] = {value.sizes().vec(), "", "", name, required};
    });
  }

  void place_bias(Seam& seam, const std::string& path) {
    seam.parameters([&](const std::string& name, Tensor& value) {
      if (name == seam.name() + ".bias") places_[path] = {value.sizes().vec(), "", "", name};
    });
  }

  void check_reached() const {
    for (const std::string& whole : config_.modules_to_save) {
      const bool there = std::any_of(paths_.begin(), paths_.end(), [&](const std::string& path) {
        return path.ends_with(whole);
      });
      // peft writes both names of classification heads, whichever the model has.
      const bool either =
          config_.task_type == "SEQ_CLS" && (whole == "classifier" || whole == "score");
      if (!there && !either) refuse("modules_to_save", whole);
    }
    if (targets_ == 0) refuse("target_modules", target_text());
  }

  [[noreturn]] void refuse(const char* key, const std::string& what) const {
    fail("{}: {} '{}' names no module of the model, which has: {}", folder_, key, what,
         fmt::join(paths_, ", "));
  }

  std::string target_text() const {
    const ModulePattern& pattern = config_.target_modules;
    if (!pattern.expression.empty()) return pattern.expression;
    if (pattern.names.empty()) return "(the default)";
    return fmt::format("{}", fmt::join(pattern.names, ", "));
  }

  /// The place of a tensor's name in the file, null where it has none. An adapter made on the class
  /// without a head has no prefix.
  const std::string* place_of(std::string name) const {
    if (name.starts_with(kWrapper)) name.erase(0, kWrapper.size());
    for (const std::string& tried : {name, family_.prefix + name}) {
      const auto found = places_.find(tried);
      if (found != places_.end()) return &found->first;
    }
    return nullptr;
  }

  /// With biases peft also writes those of a module saved whole under the names of its wrapper:
  /// once more what the file has, and the base's own.
  bool repeated(const std::string& name) const {
    return config_.bias != "none" &&
           (name.ends_with(".modules_to_save.bias") || name.ends_with(".original_module.bias"));
  }

  void take() {
    const std::string path =
        (std::filesystem::path(folder_) / "adapter_model.safetensors").string();
    if (!std::filesystem::exists(path) &&
        std::filesystem::exists(std::filesystem::path(folder_) / "adapter_model.bin")) {
      fail(
          "{} holds adapter_model.bin, which is not read; write the adapter again with "
          "save_pretrained(..., safe_serialization=True)",
          folder_);
    }
    const SafetensorsFile file(path);
    std::string faults;
    std::set<std::string> seen;
    for (const auto& [name, stored] : file.tensors()) {
      const std::string* place = place_of(name);
      if (place == nullptr) {
        if (repeated(name)) continue;
        faults += fmt::format("\n  unexpected: {}", name);
        continue;
      }
      seen.insert(*place);
      faults += put(name, stored, places_.at(*place));
    }
    for (const auto& [name, place] : places_) {
      if (!place.required || seen.count(name) > 0) continue;
      faults += fmt::format("\n  missing: {}{}", place.parameter == name ? "" : kWrapper, name);
    }
    if (!faults.empty()) {
      fail("{} does not fit its adapter_config.json and the model:{}", path, faults);
    }
  }

  /// What is wrong with the tensor, or nothing once it is where it belongs.
  std::string put(const std::string& name, const StoredTensor& stored, const Place& place) {
    if (stored.shape != place.shape) {
      return fmt::format("\n  {}: {} [{}], expected [{}]", name, stored.dtype,
                         fmt::join(stored.shape, ", "), fmt::join(place.shape, ", "));
    }
    const Tensor value = float_tensor(stored, name);
    if (place.parameter.empty()) {
      learned_.adapters.at(place.seam).values[place.end] = value;
    } else {
      learned_.values[place.parameter] = value;
    }
    return "";
  }

  std::string folder_;
  PeftConfig config_;
  PeftMatch match_;
  const PeftFamily& family_;
  Model& model_;
  Learned learned_;
  std::map<std::string, Place> places_;  // by the name in the file, without the wrapper
  std::vector<std::string> paths_;
  int64_t targets_ = 0;
};

}  // namespace

PeftAdapter read_peft(const std::string& folder, Model& model, const PeftFamily& family) {
  return Reading(folder, model, family).read();
}

std::string peft_digest(const std::string& folder) {
  std::string contents;
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    contents +=
        fmt::format("{} {}\n", name, sha256_file((std::filesystem::path(folder) / name).string()));
  }
  return sha256(contents);
}

}  // namespace lethe
