#include "core/adapters/learned.h"

#include <cstring>

#include "core/adapters/dora.h"
#include "core/adapters/ia3.h"
#include "core/bf16_values.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/prompt.h"

namespace lethe {
namespace {

Tensor kept(const Tensor& value) {
  return widened(value.detach()).to(at::kCPU).contiguous().clone();
}

/// The one form that stands for a seam's adapters; nullopt where they have none.
std::optional<AdapterForm> form_of(const Linear& seam) {
  std::vector<AdapterForm> forms;
  bool lora = true;
  for (const auto& adapter : seam.adapters()) {
    const std::optional<AdapterForm> form = adapter->form();
    if (!form) return std::nullopt;
    forms.push_back(*form);
    lora = lora && form->kind == AdapterForm::Kind::lora;
  }
  if (forms.size() == 1) return forms[0];
  return lora ? std::optional(joined(forms)) : std::nullopt;
}

/// Weight and bias as the seam's adapters make them.
void add_merged(Linear& seam, Learned& learned) {
  Tensor weight = seam.base().dense().detach().clone();
  Tensor bias = seam.bias().defined() ? widened(seam.bias().detach()).clone() : Tensor();
  for (const auto& adapter : seam.adapters()) adapter->merge(weight, bias);
  learned.values[seam.name() + ".weight"] = kept(weight);
  if (bias.defined()) learned.values[seam.name() + ".bias"] = kept(bias);
}

std::string shape_text(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

/// The shape that a seam's adapter asks of a value.
std::vector<int64_t> shape_on(const AdapterForm& form, const Linear& seam,
                              const std::string& name) {
  if (name == "lora_A.weight") return {form.rank(), seam.in_features()};
  if (name == "lora_B.weight") return {seam.out_features(), form.rank()};
  if (name == "lora_magnitude_vector") return {seam.out_features()};
  if (form.on_input) return {1, seam.in_features()};
  return {seam.out_features(), 1};
}

/// What does not fit, a line each.
std::string faults_of(Model& model, const Learned& learned) {
  std::string faults;
  std::map<std::string, Tensor> known;
  for (const Parameter& parameter : model.parameters()) known[parameter.name] = parameter.value;
  for (const auto& [name, value] : learned.values) {
    if (name == "prompt_embeddings") continue;
    const auto found = known.find(name);
    if (found == known.end()) {
      faults += fmt::format("\n  unexpected: {}", name);
    } else if (found->second.sizes() != value.sizes() || !found->second.is_floating_point()) {
      faults += fmt::format("\n  {}: {}, expected {}", name, shape_text(value),
                            found->second.is_floating_point() ? shape_text(found->second)
                                                              : "no value: the base is quantised");
    }
  }
  std::map<std::string, const Linear*> seams;
  for (const Linear* seam : model.linears()) seams[seam->name()] = seam;
  for (const auto& [name, form] : learned.adapters) {
    const auto found = seams.find(name);
    if (found == seams.end()) {
      faults += fmt::format("\n  unexpected: an adapter of {}", name);
      continue;
    }
    for (const auto& [end, value] : form.values) {
      const std::vector<int64_t> wanted = shape_on(form, *found->second, end);
      if (value.sizes() == wanted) continue;
      faults += fmt::format("\n  {}.{}: {}, expected [{}]", name, end, shape_text(value),
                            fmt::join(wanted, ", "));
    }
  }
  return faults;
}

}  // namespace

AdapterForm joined(const std::vector<AdapterForm>& forms) {
  AdapterForm all = forms.front();
  std::vector<Tensor> a, b;
  for (const AdapterForm& form : forms) {
    const double share = form.scale() / all.scale();
    a.push_back(form.values.at("lora_A.weight"));
    b.push_back(form.values.at("lora_B.weight"));
    if (share != 1) b.back() = b.back() * share;
  }
  const double scale = all.scale();
  all.values = {{"lora_A.weight", at::cat(a, 0)}, {"lora_B.weight", at::cat(b, 1)}};
  all.rslora = false;
  all.alpha = scale * static_cast<double>(all.rank());
  return all;
}

Learned learned_of(Model& model, const std::set<std::string>& trained) {
  const at::NoGradGuard no_grad;
  Learned learned;
  for (Parameter& parameter : model.parameters()) {
    if (trained.count(parameter.name) > 0) learned.values[parameter.name] = kept(parameter.value);
  }
  for (Linear* seam : model.linears()) {
    if (seam->adapters().empty()) continue;
    for (const auto& adapter : seam->adapters()) {
      const std::string set = adapter->set().empty() ? "" : adapter->set() + ".";
      adapter->parameters([&](const std::string& name, Tensor&) {
        learned.values.erase(seam->name() + "." + set + name);
      });
    }
    std::optional<AdapterForm> form = form_of(*seam);
    if (!form) {
      add_merged(*seam, learned);
      continue;
    }
    for (auto& [end, value] : form->values) value = kept(value);
    learned.adapters[seam->name()] = std::move(*form);
  }
  return learned;
}

std::shared_ptr<Adapter> make_adapter(const AdapterForm& form, Linear& seam, Model& model) {
  switch (form.kind) {
    case AdapterForm::Kind::lora:
      return std::make_shared<LowRankAdapter>(form, seam, model);
    case AdapterForm::Kind::dora:
      return std::make_shared<DoraAdapter>(form, seam, model);
    default:
      return std::make_shared<Ia3Adapter>(form);
  }
}

void check_fits(Model& model, const Learned& learned) {
  const std::string faults = faults_of(model, learned);
  if (!faults.empty()) fail("what was learned does not fit the model:{}", faults);
}

void attach(Model& model, const Learned& learned, const std::string& set) {
  check_fits(model, learned);
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) {
    const auto found = learned.values.find(parameter.name);
    if (found == learned.values.end() || parameter.name == "prompt_embeddings") continue;
    // Not a copy into it: a checkpoint's parameters lie in a file that is mapped for reading.
    parameter.value.set_data(found->second.to(parameter.value.device(), at::kFloat, false, true));
  }
  for (Linear* seam : model.linears()) {
    const auto found = learned.adapters.find(seam->name());
    if (found == learned.adapters.end()) continue;
    AdapterForm form = found->second;
    for (auto& [end, value] : form.values) value = value.clone();  // to be trained or moved
    const auto adapter = make_adapter(form, *seam, model);
    adapter->join(set);
    seam->add_adapter(adapter);
  }
  const auto rows = learned.values.find("prompt_embeddings");
  if (rows == learned.values.end()) return;
  prompt_of(model).set(rows->second.clone());
}

void train_attached(Model& model, const Learned& learned) {
  for (Parameter& parameter : model.parameters()) {
    if (learned.values.count(parameter.name) > 0) parameter.value.set_requires_grad(true);
  }
  for (Linear* seam : model.linears()) {
    if (learned.adapters.count(seam->name()) == 0) continue;
    for (const auto& adapter : seam->adapters()) {
      adapter->parameters([](const std::string&, Tensor& value) { value.set_requires_grad(true); });
    }
  }
}

Tensor float_tensor(const StoredTensor& stored, const std::string& name) {
  const at::ScalarType type = stored.dtype == "F32"    ? at::kFloat
                              : stored.dtype == "F16"  ? at::kHalf
                              : stored.dtype == "BF16" ? at::kBFloat16
                              : stored.dtype == "F64"  ? at::kDouble
                                                       : at::kByte;
  if (type == at::kByte) {
    fail("tensor '{}' has the dtype {}, expected F32, F16, BF16 or F64", name, stored.dtype);
  }
  Tensor made = at::empty(stored.shape, type);
  if (stored.bytes > 0) std::memcpy(made.data_ptr(), stored.data, stored.bytes);
  return made.to(at::kFloat);
}

}  // namespace lethe
