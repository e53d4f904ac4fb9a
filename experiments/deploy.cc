#include "experiments/deploy.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/formats/peft_read.h"
#include "core/models/pretrained.h"
#include "core/text/load_tokenizer.h"
#include "experiments/base_format.h"
#include "experiments/kept.h"
#include "experiments/runner.h"
#include "experiments/start_adapter.h"
#include "experiments/streams/instructions.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kKey = "lethe.start";

Deployed from_folder(const std::string& folder) {
  Deployed deployed;
  PretrainedOptions options;
  options.path = folder;
  if (const std::string stored = stored_base(options); !stored.empty()) options.base = stored;
  deployed.start.model = {"pretrained", options_text(options)};
  deployed.start.tokenizer = folder;
  return deployed;
}

/// The folder of an adapter's base, as its config names it: from the working folder on, or from the
/// adapter's.
std::string base_folder(const std::string& folder) {
  const std::string base = read_peft_config(folder).base_model;
  for (const fs::path& tried : {fs::path(base), fs::path(folder) / base}) {
    if (!base.empty() && fs::exists(tried / "config.json")) return tried.string();
  }
  fail(
      "{} is an adapter of '{}', and no folder with a config.json is there; give the folder of the "
      "base, and the adapter with --adapter {}",
      folder, base, folder);
}

/// The classes of the head that an adapter holds; 0 where it holds none.
int64_t classes_of(const std::string& folder) {
  const fs::path path = fs::path(folder) / "adapter_model.safetensors";
  if (!fs::exists(path)) return 0;  // said when it is read
  const SafetensorsFile file(path.string());
  for (const char* head : {"classifier", "score"}) {
    const auto stored = file.tensors().find(fmt::format("base_model.model.{}.weight", head));
    if (stored != file.tensors().end() && stored->second.shape.size() == 2) {
      return stored->second.shape[0];
    }
  }
  return 0;
}

Deployed from_adapter(const std::string& folder) {
  Deployed deployed = from_folder(base_folder(folder));
  deployed.start.shape.classes = classes_of(folder);
  if (deployed.start.shape.classes > 0) deployed.start.model.options["head"] = "new";
  const auto model = make_start(deployed.start);
  deployed.learned = read_peft(folder, *model, family_of(deployed.start.model)).learned;
  return deployed;
}

Deployed from_trial(const std::string& trial, const std::string& db) {
  const TrialRecord record = ResultStore(db, OpenMode::read_only).find(trial);
  const SafetensorsFile file(kept_file(db, record));
  return {starting_point(file), read_learned(file)};
}

/// A trial is known by what its folder held.
void check_unchanged(const Part& model) {
  const auto digest = model.options.find("checkpoint");
  if (digest == model.options.end()) return;
  OptionMap now = model.options;
  now.erase("checkpoint");
  if (model_entry(model.name).complete(now).at("checkpoint") == digest->second) return;
  fail(
      "{} is not what the trial started from: its config.json or weights were changed; restore "
      "them "
      "or run the trial again",
      model.options.at("path"));
}

}  // namespace

std::map<std::string, std::string> metadata_of(const StartingPoint& start) {
  const ModelShape& shape = start.shape;
  json all = {{"model", start.model.name},
              {"options", start.model.options},
              {"shape", {shape.features, shape.classes, shape.vocabulary, shape.longest}},
              {"seed", start.seed},
              {"tokenizer", start.tokenizer}};
  if (!start.class_names.empty()) all["class_names"] = start.class_names;
  return {{kKey, all.dump(-1, ' ', false, json::error_handler_t::replace)}};
}

StartingPoint starting_point(const SafetensorsFile& file) {
  const auto found = file.metadata().find(kKey);
  try {
    const json all = json::parse(found == file.metadata().end() ? "" : found->second);
    const json& shape = all.at("shape");
    StartingPoint start;
    start.model.name = all.at("model");
    start.model.options = all.at("options").get<OptionMap>();
    start.shape = {shape.at(0), shape.at(1), shape.at(2), shape.at(3)};
    start.seed = all.at("seed");
    start.tokenizer = all.at("tokenizer");
    start.class_names = all.value("class_names", std::vector<std::string>());
    return start;
  } catch (const json::exception&) {
    fail(
        "{} does not say from what its trial started: '{}' of its metadata is damaged; keep the "
        "trial's values again with lethe run --keep",
        file.path(), kKey);
  }
}

Deployed open_deployed(const std::string& what, const std::string& db) {
  if (fs::is_directory(what)) {
    if (fs::exists(fs::path(what) / "config.json")) return from_folder(what);
    if (fs::exists(fs::path(what) / "adapter_config.json")) return from_adapter(what);
    fail(
        "folder {} holds neither config.json nor adapter_config.json; give a trial, a Hugging Face "
        "folder or a peft adapter",
        what);
  }
  return from_trial(what, db);
}

std::unique_ptr<Model> make_start(const StartingPoint& start, const std::string& base) {
  check_unchanged(start.model);
  Part part = start.model;
  part.options.erase("checkpoint");
  auto model = starting_model(part, start.shape, start.seed, nullptr);
  BaseChoice choice = base_choice(start.model.options);
  if (!base.empty()) choice = {base};
  apply_base(base_seams(*model), choice);
  return model;
}

std::unique_ptr<Model> make_deployed(const Deployed& deployed) {
  auto model = make_start(deployed.start);
  attach(*model, deployed.learned);
  return model;
}

std::shared_ptr<const Tokenizer> tokenizer_of(const StartingPoint& start) {
  return start.tokenizer.empty() ? builtin_tokenizer() : load_tokenizer(start.tokenizer);
}

std::string folder_of(const StartingPoint& start) {
  const auto path = start.model.options.find("path");
  return path == start.model.options.end() ? "" : path->second;
}

}  // namespace lethe
