#include "core/model.h"

#include <set>

#include "core/bf16_values.h"
#include "core/error.h"
#include "core/formats/safetensors.h"

namespace lethe {

Model::~Model() = default;

std::vector<Generated> Model::continuations(const std::vector<std::vector<int64_t>>&,
                                            const GenerationOptions&) {
  fail("this model does not generate text; choose the model 'decoder' for text streams");
}

Tensor Model::predicted_states(const Batch&) { fail("this model makes one prediction a row"); }
Tensor Model::head(const Tensor&) const { fail("this model makes one prediction a row"); }

std::vector<std::vector<int64_t>> Model::generate(const std::vector<std::vector<int64_t>>& prompts,
                                                  int64_t longest, int64_t end_id) {
  GenerationOptions options;
  options.longest = longest;
  options.end_ids = {end_id};
  std::vector<std::vector<int64_t>> made;
  for (Generated& row : continuations(prompts, options)) made.push_back(std::move(row.ids));
  return made;
}

std::vector<Linear*> Model::linears() {
  std::vector<Linear*> found;
  for (Seam* seam : seams()) {
    if (auto* linear = dynamic_cast<Linear*>(seam)) found.push_back(linear);
  }
  return found;
}

std::vector<Parameter> Model::parameters() {
  std::vector<Parameter> found;
  for (Seam* seam : seams()) {
    seam->parameters([&found](const std::string& name, Tensor& value) {
      found.push_back({name, value});
    });
  }
  return found;
}

std::vector<Parameter> Model::trainable() {
  std::vector<Parameter> found;
  for (Parameter& parameter : parameters()) {
    if (parameter.value.requires_grad()) found.push_back(std::move(parameter));
  }
  return found;
}

int64_t Model::count(bool trainable_only) {
  int64_t count = 0;
  for (const Parameter& parameter : parameters()) {
    if (!trainable_only || parameter.value.requires_grad()) count += parameter.value.numel();
  }
  return count;
}

void Model::set_trainable(bool trainable) {
  for (Seam* seam : seams()) seam->set_trainable(trainable);
}

void Model::train(bool on) {
  training_ = on;
  for (Linear* linear : linears()) {
    for (const auto& adapter : linear->adapters()) adapter->train(on);
  }
}

Tensor dropout(const Tensor& x, double p, at::Generator generator) {
  if (p == 0) return x;
  const Tensor keep = at::empty_like(x).bernoulli_(1 - p, generator).div_(1 - p);
  return x * keep;
}

void move_to(Model& model, const at::Device& device) {
  const at::NoGradGuard no_grad;
  std::set<std::string> stays;
  for (Linear* linear : model.linears()) {
    if (!linear->offloaded()) continue;
    linear->base().parameters(linear->name(),
                              [&](const std::string& name, Tensor&) { stays.insert(name); });
  }
  for (Parameter& parameter : model.parameters()) {
    if (parameter.value.device() == device || stays.count(parameter.name) > 0) continue;
    parameter.value.set_data(parameter.value.to(device));
  }
}

void load_parameters(Model& model, const std::string& path) {
  const SafetensorsFile file(path);
  std::string faults;
  std::set<std::string> known;
  for (Parameter& parameter : model.parameters()) {
    known.insert(parameter.name);
    const auto found = file.tensors().find(parameter.name);
    if (found == file.tensors().end()) {
      faults += fmt::format("\n  missing: {}", parameter.name);
    } else if (found->second.shape != parameter.value.sizes().vec() ||
               found->second.dtype != "F32") {
      faults += fmt::format("\n  {}: {} of shape [{}], expected F32 of shape [{}]", parameter.name,
                            found->second.dtype, fmt::join(found->second.shape, ", "),
                            fmt::join(parameter.value.sizes(), ", "));
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (known.count(name) == 0) faults += fmt::format("\n  unexpected: {}", name);
  }
  if (!faults.empty())
    fail("{} does not fit the model; delete it or name another:{}", path, faults);
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) {
    const StoredTensor& stored = file.at(parameter.name);
    parameter.value.copy_(
        at::from_blob(const_cast<uint8_t*>(stored.data), stored.shape, at::kFloat));
  }
}

void save_parameters(Model& model, const std::string& path,
                     const std::map<std::string, std::string>& metadata) {
  std::map<std::string, StoredTensor> stored;
  std::vector<Tensor> kept;
  for (const Parameter& parameter : model.parameters()) {
    const Tensor flat = widened(parameter.value.detach()).contiguous().cpu();
    kept.push_back(flat);
    const bool bytes = flat.scalar_type() == at::kByte;
    stored[parameter.name] = {bytes ? "U8" : "F32", flat.sizes().vec(),
                              static_cast<const uint8_t*>(flat.data_ptr()), flat.nbytes()};
  }
  write_safetensors(path, stored, metadata);
}

}  // namespace lethe
