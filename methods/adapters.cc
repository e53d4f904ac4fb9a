#include "methods/adapters.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/capture.h"
#include "core/error.h"

namespace lethe {

bool ends_with_one_of(const std::string& name, const std::string& endings) {
  std::stringstream stream(endings);
  for (std::string ending; std::getline(stream, ending, ',');) {
    if (name == ending || (name.size() > ending.size() && name.ends_with("." + ending)))
      return true;
  }
  return false;
}

std::string seam_names(Model& model) {
  std::vector<std::string> names;
  for (Seam* seam : model.seams()) names.push_back(seam->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<Linear*> targeted(const std::string& method, Model& model, const std::string& targets) {
  std::vector<Linear*> found;
  std::vector<std::string> names;
  for (Linear* seam : model.linears()) {
    names.push_back(seam->name());
    const bool chosen = targets == "all" ? seam->kind() == SeamKind::linear
                                         : ends_with_one_of(seam->name(), targets);
    if (chosen) found.push_back(seam);
  }
  if (found.empty()) {
    fail("{}: no Linear ends with one of '{}'; the model has: {}", method, targets,
         fmt::join(names, ", "));
  }
  return found;
}

bool train_only(Model& model, const std::string& targets, const std::function<bool(Seam&)>& train) {
  model.set_trainable(false);
  bool found = false;
  for (Seam* seam : model.seams()) {
    const bool chosen = targets == "all" || ends_with_one_of(seam->name(), targets);
    if (chosen && train(*seam)) found = true;
  }
  return found;
}

bool train_bias(Seam& seam) {
  bool found = false;
  seam.parameters([&found](const std::string& name, Tensor& value) {
    if (!name.ends_with(".bias")) return;
    value.set_requires_grad(true);
    found = true;
  });
  return found;
}

void train_whole(const std::string& method, Model& model, const std::string& endings,
                 const std::vector<Linear*>& targets) {
  if (endings.empty()) return;
  bool found = false;
  for (Seam* seam : model.seams()) {
    if (!ends_with_one_of(seam->name(), endings)) continue;
    const auto* linear = dynamic_cast<const Linear*>(seam);
    const bool target = std::find(targets.begin(), targets.end(), linear) != targets.end();
    if (linear != nullptr && (target || !linear->adapters().empty())) {
      fail("{}: '{}' is both a target and one of modules_to_save '{}'; name it in one of them",
           method, seam->name(), endings);
    }
    seam->set_trainable(true);
    found = true;
  }
  if (!found) {
    fail("{}: no seam ends with one of modules_to_save '{}'; the model has: {}", method, endings,
         seam_names(model));
  }
}

void require_float(const std::string& method, Linear& seam, const std::string& reason) {
  const std::string format = seam.base().format();
  if (format == "float") return;
  fail("{}: the base of '{}' is {}, but {}; set the model's base = float, or choose qlora", method,
       seam.name(), format, reason);
}

LowRankAdapter::LowRankAdapter(const LowRankOptions& options, const Linear& seam, Model& model,
                               at::Generator generator)
    : options_(options), model_(model), in_(seam.in_features()), out_(seam.out_features()) {
  draw(std::move(generator));
}

void LowRankAdapter::draw(at::Generator generator) {
  const MemoryTag tag(Category::adapters);
  const double bound = 1 / std::sqrt(static_cast<double>(in_));
  a_ = at::empty({options_.rank, in_}, at::kFloat).uniform_(-bound, bound, std::move(generator));
  b_ = at::zeros({out_, options_.rank}, at::kFloat);
  a_.set_requires_grad(true);
  b_.set_requires_grad(true);
}

Tensor LowRankAdapter::dropped(const Tensor& x) const {
  return on_ ? dropout(x, options_.dropout, model_.generator()) : x;
}

double LowRankAdapter::scale() const {
  const auto rank = static_cast<double>(options_.rank);
  return options_.alpha / (options_.rslora ? std::sqrt(rank) : rank);
}

Tensor LowRankAdapter::output(const Tensor& x, const Tensor& so_far) const {
  return so_far + product(dropped(x)) * scale();
}

Tensor LowRankAdapter::product(const Tensor& x) const {
  const Tensor inner = at::linear(x, a_);
  const Tensor outer = at::linear(inner, b_);
  detail::record(Capture::Kind::product, a_, x, inner);
  detail::record(Capture::Kind::product, b_, inner, outer);
  return outer;
}

void LowRankAdapter::parameters(const ParameterVisitor& visit) {
  visit("lora_A.weight", a_);
  visit("lora_B.weight", b_);
}

void LowRankAdapter::merge(Tensor& weight, Tensor&) const {
  const at::NoGradGuard no_grad;
  weight.add_(at::matmul(b_, a_), scale());
}

void adapt_targets(const std::string& method, const LowRankOptions& options, Model& model,
                   const std::function<std::shared_ptr<Adapter>(Linear&)>& make) {
  model.set_trainable(false);
  for (Linear* seam : targeted(method, model, options.targets)) {
    seam->add_adapter(make(*seam));
    if (options.bias == "lora_only") train_bias(*seam);
  }
  train_whole(method, model, options.modules_to_save);
  if (options.bias != "all") return;
  for (Seam* seam : model.seams()) train_bias(*seam);
}

}  // namespace lethe
