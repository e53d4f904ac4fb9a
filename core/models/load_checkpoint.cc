#include "core/models/load_checkpoint.h"

#include <fmt/ranges.h>

#include <cstring>
#include <regex>

#include "core/error.h"
#include "core/memory.h"
#include "core/models/stored_weights.h"

namespace lethe {
namespace {

class Loading {
 public:
  Loading(Model& model, std::shared_ptr<const Checkpoint> checkpoint, const CheckpointRules& rules)
      : checkpoint_(std::move(checkpoint)), rules_(rules), parameters_(model.parameters()) {
    for (const std::string& pattern : rules.ignored) ignored_.emplace_back(pattern);
    for (const std::string& pattern : rules.fresh) fresh_.emplace_back(pattern);
    for (const std::string& pattern : rules.left_out) left_out_.emplace_back(pattern);
    for (const std::string& pattern : rules.transposed) transposed_.emplace_back(pattern);
    for (size_t i = 0; i < parameters_.size(); ++i) index_[bare(parameters_[i].name)] = i;
    for (Linear* linear : model.linears()) linears_[linear->name() + ".weight"] = linear;
    if (rules.quantised) stored_.emplace(checkpoint_, *rules.quantised);
  }

  void run() {
    match_all();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (found_[i] != nullptr || keeps(i)) continue;
      faults_ += fmt::format("\n  missing: {}", parameters_[i].name);
    }
    check_tied();
    if (!faults_.empty()) {
      fail("{} does not fit the model; its config.json and its weights have to be of one model:{}",
           checkpoint_->path(), faults_);
    }
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (found_[i] != nullptr) give(i);
    }
  }

  std::vector<std::string> not_found() {
    match_all();
    std::vector<std::string> names;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (found_[i] == nullptr) names.push_back(parameters_[i].name);
    }
    return names;
  }

 private:
  void match_all() {
    found_.resize(parameters_.size(), nullptr);
    for (const auto& [name, stored] : checkpoint_->tensors()) match(name, stored);
  }

  /// The name without a wrapper's, and with its ending as it is called now.
  std::string bare(const std::string& name) const {
    std::string rest = name;
    for (const std::string& prefix : rules_.prefixes) {
      if (rest.rfind(prefix, 0) == 0) rest = rest.substr(prefix.size());
    }
    for (const auto& [old, now] : rules_.endings) {
      if (rest.ends_with(old)) rest = rest.substr(0, rest.size() - old.size()) + now;
    }
    return rest;
  }

  static bool any(const std::vector<std::regex>& patterns, const std::string& name) {
    if (name.size() > 200) return false;  // longer than any family's; regexes take stack
    for (const std::regex& pattern : patterns) {
      if (std::regex_match(name, pattern)) return true;
    }
    return false;
  }

  bool transposed(size_t parameter) const {
    return any(transposed_, bare(parameters_[parameter].name));
  }

  /// Whether it may stay as it is: a shape without values may not.
  bool keeps(size_t parameter) const {
    const std::string name = bare(parameters_[parameter].name);
    return (any(fresh_, name) || any(left_out_, name)) &&
           parameters_[parameter].value.is_contiguous();
  }

  void match(const std::string& name, const StoredTensor& stored) {
    const std::string known = bare(name);
    if (any(left_out_, known) || is_scale(known)) return;
    const auto place = index_.find(known);
    if (place == index_.end()) {
      if (rules_.tied.count(known) > 0) {
        tied_.push_back({name, known, &stored});
      } else if (!any(ignored_, known)) {
        faults_ += fmt::format("\n  unexpected: {}", name);
      }
      return;
    }
    if (found_[place->second] != nullptr) {
      faults_ += fmt::format("\n  {}: stands there under two names", name);
      return;
    }
    found_[place->second] = &stored;
    if (quantised(place->second, name)) return;
    std::vector<int64_t> shape = parameters_[place->second].value.sizes().vec();
    if (transposed(place->second)) std::swap(shape.at(0), shape.at(1));
    const bool readable = stored.dtype == "F32" || stored.dtype == "F16" ||
                          stored.dtype == "BF16" || stored.dtype == "F64";
    if (stored.shape != shape || !readable) {
      faults_ +=
          fmt::format("\n  {}: {} of shape [{}], expected F32, F16, BF16 or F64 of shape [{}]",
                      name, stored.dtype, fmt::join(stored.shape, ", "), fmt::join(shape, ", "));
    }
  }

  /// Whether it belongs to a Linear's weight, with which it is read.
  bool is_scale(const std::string& known) const {
    std::string weight;
    return stored_ && stored_->is_part(known, &weight) && index_.count(weight) > 0;
  }

  /// Whether the parameter is a Linear's weight that is read as codes and scales, or is at fault.
  bool quantised(size_t parameter, const std::string& name) {
    const auto linear = linears_.find(parameters_[parameter].name);
    if (!stored_ || linear == linears_.end()) return false;
    try {
      auto base = stored_->read(name, *linear->second);
      if (base == nullptr) return false;
      bases_[parameter] = std::move(base);
    } catch (const Error& error) {
      faults_ += fmt::format("\n  {}", error.what());
    }
    return true;
  }

  void check_tied() {
    for (const Tied& tied : tied_) {
      const auto place = index_.find(rules_.tied.at(tied.known));
      const StoredTensor* of = place == index_.end() ? nullptr : found_[place->second];
      if (of == nullptr) continue;  // said to be missing
      const StoredTensor& stored = *tied.stored;
      const bool equal =
          stored.dtype == of->dtype && stored.shape == of->shape &&
          (stored.data == of->data || std::memcmp(stored.data, of->data, stored.bytes) == 0);
      if (!equal) {
        faults_ += fmt::format("\n  {}: differs from {}, to which config.json ties it", tied.name,
                               parameters_[place->second].name);
      }
    }
  }

  void give(size_t i) {
    const StoredTensor& stored = *found_[i];
    if (const auto base = bases_.find(i); base != bases_.end()) {
      linears_.at(parameters_[i].name)->set_base(std::move(base->second));
      return;
    }
    Tensor value = mapped_view(checkpoint_, stored);
    if (transposed(i)) value = value.t();
    if (value.scalar_type() != at::kFloat) value = value.to(at::kFloat);
    parameters_[i].value.set_data(value);
  }

  struct Tied {
    std::string name, known;
    const StoredTensor* stored;
  };
  std::shared_ptr<const Checkpoint> checkpoint_;
  const CheckpointRules& rules_;
  std::vector<Parameter> parameters_;
  std::map<std::string, Linear*> linears_;               // by their weight's name
  std::optional<StoredBases> stored_;                    // of a quantised folder
  std::map<size_t, std::unique_ptr<BaseWeight>> bases_;  // by parameter
  std::vector<std::regex> ignored_, fresh_, left_out_, transposed_;
  std::map<std::string, size_t> index_;     // by name without prefix
  std::vector<const StoredTensor*> found_;  // by parameter
  std::vector<Tied> tied_;
  std::string faults_;
};

}  // namespace

void load_checkpoint(Model& model, const std::shared_ptr<const Checkpoint>& checkpoint,
                     const CheckpointRules& rules) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::base_weights);
  Loading(model, checkpoint, rules).run();
}

std::vector<std::string> parameters_not_in(const std::shared_ptr<const Checkpoint>& checkpoint,
                                           Model& model, const CheckpointRules& rules) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::base_weights);
  return Loading(model, checkpoint, rules).not_found();
}

}  // namespace lethe
