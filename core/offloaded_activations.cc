#include "core/offloaded_activations.h"

#include <utility>

#include "core/error.h"
#include "core/memory.h"
#include "core/saved_hook.h"

namespace lethe {
namespace {

thread_local OffloadedActivations* present = nullptr;

const void* storage_of(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

}  // namespace

/// A tensor that autograd keeps, on the device or on the host.
struct OffloadedActivations::Kept {
  Tensor there, host;  // one of them, but while it is copied
  at::Device device;
  int64_t version;
  OffloadedActivations* owner = nullptr;  // null: stays on the device
  size_t stretch = 0;

  void check() const {
    if (there._version() == version) return;
    fail(
        "offload-activations: a tensor that the backward pass needs was written to; drop the "
        "lever");
  }
  void leave() {
    if (!there.defined()) return;
    check();
    host = there.to(at::kCPU);
    there = Tensor();
  }
  void come() {
    if (there.defined()) return;
    there = host.to(device);
    version = there._version();
    host = Tensor();
  }
};

struct OffloadedActivations::Hooks : torch::autograd::SavedVariableHooks {
  explicit Hooks(OffloadedActivations& owner) : owner(owner) {}
  void call_pack_hook(const Tensor& tensor) override { kept = owner.keep(tensor); }
  Tensor call_unpack_hook() override {
    const MemoryTag tag(Category::activations);
    if (kept->owner != nullptr) {
      kept->owner->fetch(kept->stretch);
      if (kept->stretch > 0) kept->owner->fetch(kept->stretch - 1);
    }
    kept->check();
    return kept->there;
  }
  OffloadedActivations& owner;
  std::shared_ptr<Kept> kept;
};

/// libtorch asks its engine whether saved tensors have hooks, which Python alone sets else.
/// Backward passes stay the base engine's, whose threads a process starts once.
struct OffloadedActivations::Engine : torch::autograd::Engine {
  static torch::autograd::Engine& only() {
    static auto* engine = new Engine();  // as long as the process, as libtorch's own
    return *engine;
  }
  torch::autograd::variable_list execute(const torch::autograd::edge_list& roots,
                                         const torch::autograd::variable_list& inputs,
                                         bool keep_graph, bool create_graph, bool accumulate_grad,
                                         const torch::autograd::edge_list& outputs) override {
    return get_base_engine().execute(roots, inputs, keep_graph, create_graph, accumulate_grad,
                                     outputs);
  }
  std::unique_ptr<torch::autograd::SavedVariableHooks> get_default_saved_variable_hooks() override {
    if (present == nullptr || !present->within_) return nullptr;
    return std::make_unique<Hooks>(*present);
  }
};

OffloadedActivations::OffloadedActivations(const at::Device& device) : device_(device) {
  torch::autograd::set_default_engine_stub(&Engine::only);
  present = this;
}

OffloadedActivations::~OffloadedActivations() { present = nullptr; }

void OffloadedActivations::leave(Model& model) {
  parameters_.clear();
  for (const Parameter& parameter : model.parameters()) {
    parameters_.insert(storage_of(parameter.value));
  }
}

void OffloadedActivations::begin_step() {
  stretches_.clear();
  known_.clear();
}

bool OffloadedActivations::stays(const Tensor& tensor) const {
  return tensor.device() != device_ || static_cast<int64_t>(tensor.nbytes()) < kLeast ||
         parameters_.count(storage_of(tensor)) > 0 || entering_.count(storage_of(tensor)) > 0;
}

std::shared_ptr<OffloadedActivations::Kept> OffloadedActivations::keep(const Tensor& tensor) {
  const Tensor alone = tensor.detach();  // a result would else keep alive what keeps it
  const auto version = static_cast<int64_t>(alone._version());
  if (stays(alone)) return std::make_shared<Kept>(Kept{alone, {}, device_, version});
  Key key = {reinterpret_cast<int64_t>(storage_of(alone)), alone.storage_offset()};
  for (const auto& list : {alone.sizes(), alone.strides()}) {
    key.insert(key.end(), list.begin(), list.end());
  }
  if (auto known = known_[key].lock()) return known;
  auto kept =
      std::make_shared<Kept>(Kept{alone, {}, device_, version, this, stretches_.size() - 1});
  known_[key] = kept;
  stretches_.back().push_back(kept);
  return kept;
}

void OffloadedActivations::to_host(size_t stretch) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::activations);
  for (const auto& weak : stretches_[stretch]) {
    if (const auto kept = weak.lock()) kept->leave();
  }
  known_.clear();  // a storage that is let go may come again as another tensor's
}

void OffloadedActivations::fetch(size_t stretch) {
  const at::NoGradGuard no_grad;
  for (const auto& weak : std::exchange(stretches_[stretch], {})) {  // they stay from now on
    if (const auto kept = weak.lock()) kept->come();
  }
}

OffloadedActivations::Stretch::Stretch(const std::vector<Tensor>& inputs)
    : owner_(at::GradMode::is_enabled() ? present : nullptr) {
  if (owner_ == nullptr) return;
  owner_->stretches_.emplace_back();
  owner_->entering_.clear();
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i].defined()) owner_->entering_.insert(storage_of(inputs[i]));
  }
  owner_->within_ = true;
}

OffloadedActivations::Stretch::~Stretch() {
  if (owner_ == nullptr) return;
  owner_->within_ = false;
  const size_t done = owner_->stretches_.size();
  if (done > 1) owner_->to_host(done - 2);
}

}  // namespace lethe
