// A trained model taken up again: from a trial's kept values, or from a Hugging Face folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/adapters/learned.h"
#include "core/formats/peft_match.h"
#include "core/models/models.h"
#include "core/text/tokenizer.h"
#include "core/trial.h"

namespace lethe {

/// From what a model started. `model` has paths where a trial's text has digests, and no adapter.
struct StartingPoint {
  Part model;
  ModelShape shape;
  int64_t seed = 1;
  std::string tokenizer = {};                 ///< folder of the tokenizer; empty = the built-in one
  std::vector<std::string> class_names = {};  ///< of a trial's classifier, by class
};

/// For the metadata of the file of kept values, and back. Throws Error naming the file where it is
/// damaged.
std::map<std::string, std::string> metadata_of(const StartingPoint& start);
StartingPoint starting_point(const SafetensorsFile& file);

struct Deployed {
  StartingPoint start;
  Learned learned;  ///< empty for a folder
};

/// `what` is a trial of the store `db`, by number or digest, or a Hugging Face folder, or a folder
/// of a peft adapter whose config names the folder of its base. Throws Error saying what there is.
Deployed open_deployed(const std::string& what, const std::string& db);

/// The starting model, its base in the format that it had in training, or in `base` where that is
/// given ("float", "nf4"); what the folder stores quantised stays so. The folder's weights must be
/// those of the trial.
std::unique_ptr<Model> make_start(const StartingPoint& start, const std::string& base = "");
/// The same with all that was learned on it.
std::unique_ptr<Model> make_deployed(const Deployed& deployed);

/// The tokenizer with whose ids the model was trained.
std::shared_ptr<const Tokenizer> tokenizer_of(const StartingPoint& start);
/// The Hugging Face folder of the base; empty for the built-in models.
std::string folder_of(const StartingPoint& start);

}  // namespace lethe
