// What training added to a model: its adapters, and the base values that moved. Everything that a
// trial's final model has beyond its starting weights, in the form in which files keep it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/model.h"

namespace lethe {

struct Learned {
  std::map<std::string, AdapterForm> adapters;  ///< by the seam's name
  /// Base parameters by their names, float32; "prompt_embeddings" for virtual tokens.
  std::map<std::string, Tensor> values;
};

/// Of a model whose parameters named in `trained` were trained at any time. Several LoRA adapters
/// of a seam become one of their ranks' sum. An adapter without a form is taken as the weight and
/// bias that it makes of its seam. Tensors are copies on the CPU.
Learned learned_of(Model& model, const std::set<std::string>& trained);

/// One LoRA adapter that gives the sum of several: A's stacked, B's side by side. Their values are
/// left as they are where all have one scale.
AdapterForm joined(const std::vector<AdapterForm>& forms);

/// What a model learned whose base had `start` merged into it, said of the base without it: a LoRA
/// pair on a LoRA pair becomes one, an adapter of another kind leaves the merged weight as a value.
/// `model` is that model.
Learned on_top_of(Learned learned, const Learned& start, Model& model);

/// The adapter of a form on a seam; its values are those of the form, not copies.
std::shared_ptr<Adapter> make_adapter(const AdapterForm& form, Linear& seam, Model& model);

/// Throws Error listing the seams and parameters that the model lacks and shapes that differ.
void check_fits(Model& model, const Learned& learned);

/// Writes values into the base and puts the adapters on their seams, under the name of a set.
/// Nothing of it is trained. Throws what check_fits() throws.
void attach(Model& model, const Learned& learned, const std::string& set = "");

/// Trains what attach() put there: the adapters' values, the base values, the virtual tokens. Call
/// after Model::set_trainable(false) to train nothing else.
void train_attached(Model& model, const Learned& learned);

/// The file of a trial's kept values; `metadata` says of which trial. Written atomically.
void write_learned(const std::string& path, const Learned& learned,
                   const std::map<std::string, std::string>& metadata);
/// Throws Error for a file that is none.
Learned read_learned(const SafetensorsFile& file);

/// A tensor of a file as float32 of its own. Throws Error for a dtype that is no float.
Tensor float_tensor(const StoredTensor& stored, const std::string& name);

}  // namespace lethe
