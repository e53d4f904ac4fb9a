#include "core/models/block_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/autograd_function.h"
#include "core/capture.h"
#include "core/dense_product.h"
#include "core/offloaded_activations.h"

namespace lethe {
namespace {

/// What a checkpoint runs twice.
struct Stretch {
  std::function<Tensor(const std::vector<Tensor>& given)> work;
  std::vector<Tensor> parameters;  // trained ones
  at::Generator generator;         // from which dropout draws; may be undefined
  Tensor state;                    // its state before the first run, where that drew from it
};

/// The generator as it was before the first run, while the second one goes on.
class SetBack {
 public:
  explicit SetBack(const Stretch& stretch) : generator_(stretch.generator) {
    if (!stretch.state.defined()) return;
    after_ = generator_.get_state();
    generator_.set_state(stretch.state);
  }
  ~SetBack() {
    if (after_.defined()) generator_.set_state(after_);
  }
  SetBack(const SetBack&) = delete;
  SetBack& operator=(const SetBack&) = delete;

 private:
  at::Generator generator_;
  Tensor after_;
};

std::vector<Tensor> trained_parameters(const BlockRun& run, size_t first, size_t last) {
  std::vector<Seam*> seams;
  for (size_t i = first; i < last; ++i) run.add_seams(i, seams);
  std::vector<Tensor> found;
  for (Seam* seam : seams) {
    seam->parameters([&found](const std::string&, Tensor& value) {
      if (value.requires_grad()) found.push_back(value);
    });
  }
  return found;
}

/// The generator's state, if the run of `work` changes it.
Tensor state_before(const at::Generator& generator, const std::function<void()>& work) {
  if (!generator.defined()) {
    work();
    return {};
  }
  const Tensor before = generator.get_state();
  work();
  return before.equal(generator.get_state()) ? Tensor() : before;
}

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct Held : torch::CustomClassHolder {
  explicit Held(std::shared_ptr<Stretch> given) : stretch(std::move(given)) {}
  std::shared_ptr<Stretch> stretch;
};

struct RunAgain : torch::autograd::Function<RunAgain> {
  /// `given`: the inputs that are defined, then the trained parameters, so that autograd asks for
  /// their gradients.
  static Tensor forward(AutogradContext* saved, at::TensorList given,
                        const std::shared_ptr<Stretch>& stretch) {
    const auto parameters = given.end() - static_cast<std::ptrdiff_t>(stretch->parameters.size());
    saved->save_for_backward({given.begin(), parameters});
    saved->saved_data["stretch"] = c10::IValue::make_capsule(c10::make_intrusive<Held>(stretch));
    Tensor made;
    stretch->state = state_before(stretch->generator, [&] {
      made = stretch->work({given.begin(), parameters});
    });
    return made;
  }

  static tensor_list backward(AutogradContext* saved, tensor_list gradients) {
    const auto held = saved->saved_data["stretch"].toCapsule();
    const Stretch& stretch = *static_cast<const Held&>(*held).stretch;
    std::vector<Tensor> leaves = saved->get_saved_variables();
    for (size_t i = 0; i < leaves.size(); ++i) {
      leaves[i] = leaves[i].detach().set_requires_grad(saved->needs_input_grad(i));
    }
    Tensor made;
    {
      const at::AutoGradMode recording(true);
      const SetBack generator(stretch);
      made = stretch.work(leaves);
    }
    return AddingGradients::on() ? added(stretch, made, leaves, gradients)
                                 : asked(stretch, made, leaves, gradients);
  }

 private:
  /// The parameters' gradients where they lie, those of the inputs returned.
  static tensor_list added(const Stretch& stretch, const Tensor& made,
                           const std::vector<Tensor>& leaves, const tensor_list& gradients) {
    torch::autograd::backward({made}, {gradients[0]});
    tensor_list result;
    for (const Tensor& leaf : leaves) result.push_back(leaf.grad());
    result.resize(leaves.size() + stretch.parameters.size() + 1);
    return result;
  }

  static tensor_list asked(const Stretch& stretch, const Tensor& made,
                           const std::vector<Tensor>& leaves, const tensor_list& gradients) {
    tensor_list wanted;
    for (const Tensor& leaf : leaves) {
      if (leaf.requires_grad()) wanted.push_back(leaf);
    }
    wanted.insert(wanted.end(), stretch.parameters.begin(), stretch.parameters.end());
    const tensor_list found =
        torch::autograd::grad({made}, wanted, {gradients[0]}, /*retain_graph=*/std::nullopt,
                              /*create_graph=*/false, /*allow_unused=*/true);
    tensor_list result;
    auto next = found.begin();
    for (const Tensor& leaf : leaves) result.push_back(leaf.requires_grad() ? *next++ : Tensor());
    result.insert(result.end(), next, found.end());
    result.emplace_back();
    return result;
  }
};

/// With `stretches` each block is one of OffloadedActivations.
Tensor in_sequence(const BlockRun& run, size_t first, size_t last, std::vector<Tensor> inputs,
                   bool stretches = false) {
  for (size_t i = first; i < last; ++i) {
    std::optional<OffloadedActivations::Stretch> stretch;
    if (stretches) stretch.emplace(inputs);
    if (run.seen) run.seen(inputs[0]);
    inputs[0] = run.block(i, inputs);
  }
  return std::move(inputs[0]);
}

Tensor checkpointed(const BlockRun& run, size_t first, size_t last, const at::Generator& generator,
                    const std::vector<Tensor>& inputs) {
  const auto stretch = std::make_shared<Stretch>();
  stretch->parameters = trained_parameters(run, first, last);
  stretch->generator = generator;
  // An undefined tensor is no argument of a Function.
  std::vector<bool> there;
  std::vector<Tensor> given;
  for (const Tensor& input : inputs) {
    there.push_back(input.defined());
    if (input.defined()) given.push_back(input);
  }
  stretch->work = [run, first, last, there](const std::vector<Tensor>& defined) {
    std::vector<Tensor> all;
    auto next = defined.begin();
    for (const bool one : there) all.push_back(one ? *next++ : Tensor());
    return in_sequence(run, first, last, std::move(all));
  };
  given.insert(given.end(), stretch->parameters.begin(), stretch->parameters.end());
  const bool graded = std::any_of(given.begin(), given.end(),
                                  [](const Tensor& one) { return one.requires_grad(); });
  return graded ? RunAgain::apply(at::TensorList(given), std::as_const(stretch))
                : in_sequence(run, first, last, inputs);
}

}  // namespace

Tensor run_blocks(const Model& model, const BlockRun& run, std::vector<Tensor> inputs) {
  const auto most = static_cast<size_t>(model.checkpointed_blocks());
  const bool once = run.seen || run.cached || detail::recording();
  if (most == 0 || once || !model.training() || !at::GradMode::is_enabled()) {
    return in_sequence(run, 0, run.count, std::move(inputs), /*stretches=*/true);
  }
  for (size_t first = 0; first < run.count; first += most) {
    const OffloadedActivations::Stretch stretch(inputs);
    inputs[0] =
        checkpointed(run, first, std::min(run.count, first + most), model.generator(), inputs);
  }
  return inputs[0];
}

}  // namespace lethe
