#include "core/formats/peft_write.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace lethe {
namespace {

using Kind = AdapterForm::Kind;
using Names = std::vector<std::string>;

/// The seams of a model by what was learned of them.
struct Changes {
  Names all;                // every seam's path
  Names adapted, on_input;  // paths of seams with an adapter; those of (IA)^3 on the input
  Names whole, norms;       // seams whose own values all changed, and those of them that are norms
  Names biases;             // seams of which the bias alone changed
  Names can_bias;           // seams with a bias that are not among `whole`
  Names adapted_can_bias;   // those of them that have an adapter
  std::map<std::string, std::string> path_of;  // by the seam's name
  bool prompt = false;
};

[[noreturn]] void refuse(const std::string& what) {
  fail("peft has no adapter for {}; write the whole model with --merge", what);
}

void add_seam(Seam& seam, const std::string& path, const Learned& learned, Changes& changes) {
  changes.all.push_back(path);
  changes.path_of[seam.name()] = path;
  const bool adapted = learned.adapters.count(seam.name()) > 0;
  if (adapted) changes.adapted.push_back(path);
  if (adapted && learned.adapters.at(seam.name()).on_input) changes.on_input.push_back(path);
  int64_t own = 0, changed = 0;
  bool has_bias = false, bias = false;
  std::string other;
  seam.parameters([&](const std::string& name, Tensor&) {
    const std::string end = name.substr(std::min(name.size(), seam.name().size() + 1));
    if (end != "weight" && end != "bias") return;
    ++own;
    has_bias = has_bias || end == "bias";
    if (learned.values.count(name) == 0) return;
    ++changed;
    if (end == "bias") bias = true;
    if (end != "bias") other = name;
  });
  const bool whole = changed > 0 && changed == own && !other.empty();
  if (whole && adapted) refuse(fmt::format("'{}', which was trained beside its adapter", other));
  if (whole) changes.whole.push_back(path);
  if (whole && seam.kind() == SeamKind::norm) changes.norms.push_back(path);
  if (!whole && has_bias) changes.can_bias.push_back(path);
  if (!whole && has_bias && adapted) changes.adapted_can_bias.push_back(path);
  if (whole || changed == 0) return;
  if (!other.empty()) refuse(fmt::format("'{}' alone, without the seam's bias", other));
  if (bias) changes.biases.push_back(path);
}

Changes changes_of(const Learned& learned, Model& model, const PeftFamily& family) {
  Changes changes;
  for (Seam* seam : model.seams()) {
    if (seam->name() == "prompt_embeddings") continue;
    const bool head = seam->kind() == SeamKind::head;
    add_seam(*seam, module_path(family, seam->name(), head), learned, changes);
  }
  changes.prompt = learned.values.count("prompt_embeddings") > 0;
  return changes;
}

std::string bias_of(const Changes& changes) {
  if (changes.biases.empty()) return "none";
  if (changes.biases == changes.adapted_can_bias) return "lora_only";
  if (changes.biases == changes.can_bias) return "all";
  refuse(fmt::format("the biases of {} alone", fmt::join(changes.biases, ", ")));
}

bool plain_ending(const std::string& path, const std::string& name) { return path.ends_with(name); }

/// The commonest value; the first of equally common ones.
template <class Value>
Value commonest(const std::map<std::string, Value>& values) {
  std::map<Value, int64_t> counts;
  for (const auto& [path, value] : values) ++counts[value];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

template <class Value>
void others(const std::map<std::string, Value>& values, Value common, ModuleValues<Value>& into) {
  for (const auto& [path, value] : values) {
    if (value != common) into.emplace_back(path, value);
  }
}

void set_low_rank(const Learned& learned, const Changes& changes, PeftConfig& config) {
  const AdapterForm& first = learned.adapters.begin()->second;
  config.dora = first.kind == Kind::dora;
  config.rslora = first.rslora;
  config.dropout = first.dropout;
  config.bias = bias_of(changes);
  std::map<std::string, int64_t> ranks;
  std::map<std::string, double> alphas;
  for (const auto& [seam, form] : learned.adapters) {
    if (form.rslora != config.rslora || form.dropout != config.dropout) {
      refuse(fmt::format("'{}', whose scale or dropout is of another kind than that of '{}'", seam,
                         learned.adapters.begin()->first));
    }
    const std::string& path = changes.path_of.at(seam);
    ranks[path] = form.rank();
    alphas[path] = form.alpha;
  }
  config.rank = commonest(ranks);
  config.alpha = commonest(alphas);
  others(ranks, config.rank, config.rank_pattern);
  others(alphas, config.alpha, config.alpha_pattern);
}

/// peft wants the names of feed-forward modules among the targets', as texts, and matches them by
/// the end of the path alone.
void set_feedforward(const Changes& changes, PeftConfig& config) {
  Names on_output;
  for (const std::string& path : changes.adapted) {
    if (!std::count(changes.on_input.begin(), changes.on_input.end(), path))
      on_output.push_back(path);
  }
  const auto reaches = [&](const std::string& path, const std::string& name) {
    return has_ending(path, name) ||
           (std::count(on_output.begin(), on_output.end(), path) > 0 && path.ends_with(name));
  };
  config.feedforward_modules.names = shortest_names(changes.all, changes.on_input, reaches);
  config.target_modules.names = shortest_names(changes.all, on_output, has_ending);
  for (const std::string& name : config.feedforward_modules.names) {
    config.target_modules.names.push_back(name);
  }
  std::sort(config.target_modules.names.begin(), config.target_modules.names.end());
}

void set_adapters(const Learned& learned, const Changes& changes, const PeftFamily& family,
                  PeftConfig& config) {
  const Kind kind = learned.adapters.begin()->second.kind;
  for (const auto& [seam, form] : learned.adapters) {
    if (form.kind != kind)
      refuse(fmt::format("two kinds of adapters, of which '{}' has one", seam));
  }
  config.target_modules.names = shortest_names(changes.all, changes.adapted, has_ending);
  config.fan_in_fan_out =
      std::any_of(changes.adapted.begin(), changes.adapted.end(), [&](const std::string& path) {
        return std::any_of(family.conv1d.begin(), family.conv1d.end(),
                           [&](const std::string& name) { return has_ending(path, name); });
      });
  if (kind != Kind::ia3) return set_low_rank(learned, changes, config);
  if (!changes.biases.empty()) refuse("(IA)^3 with trained biases");
  config.type = PeftType::ia3;
  set_feedforward(changes, config);
}

void set_norms(const Changes& changes, PeftConfig& config) {
  if (!changes.biases.empty()) refuse("biases without adapters");
  if (changes.whole.size() == changes.all.size()) refuse("a model of which everything was trained");
  if (changes.norms.empty()) {
    if (changes.whole.empty()) refuse("a trial that changed nothing");
    refuse(fmt::format("{} without adapters", fmt::join(changes.whole, ", ")));
  }
  config.type = PeftType::ln_tuning;
  config.target_modules.names = shortest_names(changes.all, changes.norms, has_ending);
}

/// The name in the file of a base value that changed.
std::string disk_name(const PeftConfig& config, const Seam& seam, const std::string& path,
                      const std::string& end, bool adapted) {
  if (config.type == PeftType::ln_tuning && seam.kind() == SeamKind::norm) {
    return path + ".ln_tuning_layers." + end;
  }
  return path + (adapted ? ".base_layer." : ".") + end;
}

void write_whole(const std::string& path, const std::string& text) {
  const std::string beside = path + ".part";
  std::ofstream file(beside, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(beside, path, error);
  if (!file || error) fail("{} can't be written; check the folder and the space on its disk", path);
}

}  // namespace

PeftConfig peft_config_of(const Learned& learned, Model& model, const PeftFamily& family,
                          const PeftBase& base) {
  const Changes changes = changes_of(learned, model, family);
  PeftConfig config;
  config.base_model = base.name_or_path;
  config.task_type = base.task_type.empty() ? family.task_type : base.task_type;
  config.inference_mode = true;
  if (changes.prompt) {
    if (learned.values.size() > 1 || !learned.adapters.empty()) {
      refuse("virtual tokens beside other trained values");
    }
    const Tensor& rows = learned.values.at("prompt_embeddings");
    config.type = PeftType::prompt_tuning;
    config.virtual_tokens = rows.size(0);
    config.token_width = rows.size(1);
    config.layers = base.layers;
    config.heads = base.heads;
    return config;
  }
  if (learned.adapters.empty()) {
    set_norms(changes, config);
  } else {
    set_adapters(learned, changes, family, config);
  }
  Names whole;
  for (const std::string& path : changes.whole) {
    const bool tuned = config.type == PeftType::ln_tuning &&
                       std::count(changes.norms.begin(), changes.norms.end(), path) > 0;
    if (!tuned) whole.push_back(path);
  }
  config.modules_to_save = shortest_names(changes.all, whole, plain_ending);
  return config;
}

void write_peft(const std::string& folder, const Learned& learned, Model& model,
                const PeftFamily& family, const PeftBase& base) {
  const PeftConfig config = peft_config_of(learned, model, family, base);
  std::map<std::string, StoredTensor> stored;
  const auto add = [&stored](const std::string& name, const Tensor& value) {
    stored[name] = {"F32", value.sizes().vec(), static_cast<const uint8_t*>(value.data_ptr()),
                    value.nbytes()};
  };
  for (Seam* seam : model.seams()) {
    const std::string path = module_path(family, seam->name(), seam->kind() == SeamKind::head);
    const auto adapter = learned.adapters.find(seam->name());
    const bool adapted = adapter != learned.adapters.end();
    if (adapted) {
      for (const auto& [end, value] : adapter->second.values) {
        add("base_model.model." + path + "." + end, value);
      }
    }
    for (const char* end : {"weight", "bias"}) {
      const auto value = learned.values.find(seam->name() + "." + end);
      if (value == learned.values.end()) continue;
      add("base_model.model." + disk_name(config, *seam, path, end, adapted), value->second);
    }
  }
  const auto rows = learned.values.find("prompt_embeddings");
  if (rows != learned.values.end()) add("prompt_embeddings", rows->second);
  const std::filesystem::path where(folder);
  write_safetensors((where / "adapter_model.safetensors").string(), stored);
  write_whole((where / "adapter_config.json").string(), peft_config_text(config));
}

}  // namespace lethe
