// Models from Hugging Face folders.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/formats/hf_config.h"
#include "core/models/load_checkpoint.h"
#include "core/models/models.h"

namespace lethe {

struct PretrainedOptions {
  std::string path, init = "checkpoint", base = "float", dropout = "none";
  template <class Visit>
  void fields(Visit&& visit) {
    visit("path", path, any(), "folder with config.json and weights; the trial keeps its digest");
    visit("init", init, one_of({"checkpoint", "random"}),
          "the folder's weights, or fresh ones drawn as its config.json says");
    visit("base", base, one_of({"float", "nf4"}), "format of the blocks' frozen weights");
    visit("dropout", dropout, one_of({"none", "config"}),
          "in training: none, or as config.json has it");
  }
};

/// How the models of one model_type are made.
struct PretrainedFamily {
  /// Weights drawn from the generator, or without one left to be loaded; `dropout` says whether
  /// config.json's counts.
  std::function<std::unique_ptr<Model>(const HfConfig&, bool dropout, at::Generator)> make;
  std::function<CheckpointRules(const HfConfig&)> rules;
  /// Tokens that a row may have; 0 = no limit.
  std::function<int64_t(const HfConfig&)> longest;
};

/// By model_type.
const std::map<std::string, PretrainedFamily>& pretrained_families();
/// Throws "PATH: 'model_type' is "x", expected one of ...".
const PretrainedFamily& pretrained_family(const HfConfig& config);

/// The model of a folder. Frozen weights that stay in the mapped file are shared by processes.
/// `generator` is for init = random. The base's format is not applied.
std::unique_ptr<Model> open_pretrained(const PretrainedOptions& options, at::Generator generator);

/// SHA-256 over config.json and, for init = checkpoint, the weights; read once a process.
std::string pretrained_digest(const PretrainedOptions& options);

/// The entry "pretrained": `complete` needs a path and replaces it by the digest.
ModelEntry pretrained_entry();

}  // namespace lethe
