// Models from Hugging Face folders.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base_formats.h"
#include "core/formats/hf_config.h"
#include "core/models/load_checkpoint.h"
#include "core/models/models.h"
#include "core/text/row_form.h"

namespace lethe {

struct PretrainedOptions {
  std::string path, init = "checkpoint", base = "float", skip = "none", dropout = "none",
                    head = "checkpoint";
  int64_t block = 64;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("path", path, any(), "folder with config.json and weights; the trial keeps its digest");
    visit("init", init, one_of({"checkpoint", "random"}),
          "the folder's weights, or fresh ones drawn as its config.json says");
    visit("base", base, one_of(base_formats()),
          "format of the blocks' frozen weights; of a quantised folder its own");
    visit("block", block, between(32, 4096), kBlockDoc);
    visit("skip", skip, any(), kSkipDoc);
    visit("dropout", dropout, one_of({"none", "config"}),
          "in training: none, or as config.json has it");
    visit("head", head, one_of({"checkpoint", "new"}),
          "of a classifier: the folder's, fresh where it has none, or a fresh one in any case");
  }
};

/// What a model of a folder is made with.
struct PretrainedMaking {
  bool dropout = false;   ///< whether config.json's counts
  int64_t classes = 0;    ///< of the stream, for the head; 0 = as many as config.json has labels
  at::Generator weights;  ///< from which they are drawn; undefined = shapes, to be loaded
  at::Generator head;     ///< draws a classifier's head, BERT's pooler too, for files without
};

/// How the models of one model_type are made.
struct PretrainedFamily {
  RowForm rows = RowForm::text;
  std::function<std::unique_ptr<Model>(const HfConfig&, const PretrainedMaking&)> make;
  std::function<CheckpointRules(const HfConfig&)> rules;
  /// Tokens that a row may have; 0 = no limit.
  std::function<int64_t(const HfConfig&)> longest;
};

/// By model_type.
const std::map<std::string, PretrainedFamily>& pretrained_families();
/// Throws "PATH: 'model_type' is "x", expected one of ...", with "absent" where there is none.
const PretrainedFamily& pretrained_family(const HfConfig& config);

/// The rows of a folder's model: those of its family, or classes for a decoder whose architecture
/// is one for sequence classification. Throws Error as pretrained_family and the family's config
/// do.
ModelRows pretrained_rows(const std::string& folder);

/// The model of a folder. Frozen weights that stay in the mapped file are shared by processes.
/// `generator` is for init = random and for a fresh head; `classes` as in PretrainedMaking. The
/// base's format is not applied: it is float, or what the folder stores. Throws Error naming both
/// numbers where the folder's head has another number of classes, and for head = new where the
/// model has none.
std::unique_ptr<Model> open_pretrained(const PretrainedOptions& options, at::Generator generator,
                                       int64_t classes = 0);

/// The head of a classifier; null for other models.
const Linear* class_head(Model& model);

/// The names of the parameters of open_pretrained()'s model that are drawn, not the folder's: those
/// of a fresh head. None for init = random, where all are.
std::vector<std::string> fresh_parameters(const PretrainedOptions& options, Model& model);

/// The format in which the folder's weights are quantised already: "int8". Empty where they are
/// float, and for init = random.
std::string stored_base(const PretrainedOptions& options);

/// SHA-256 over config.json and, for init = checkpoint, the weights; read once a process.
std::string pretrained_digest(const PretrainedOptions& options);

/// The entry "pretrained": `complete` needs a path and replaces it by the digest; `head` is left
/// out where it is the folder's. The base of a quantised folder is its own; another throws Error.
ModelEntry pretrained_entry();

}  // namespace lethe
