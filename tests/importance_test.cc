// Looking at rows for importances leaves the model, its running means and all generators alone.
#include "tests/catch.h"
// After Catch.
#include "tests/regulariser_variants.h"

using namespace lethe;

namespace {

/// An mlp with dropout between its layers.
class Dropping : public Model {
 public:
  Dropping()
      : first_("fc1", at::full({8, 6}, 0.1F), at::zeros({8})),
        head_("classifier", at::full({4, 8}, 0.2F), {}, SeamKind::head) {
    generator_ = make_generator(3);
  }
  Tensor forward(const Batch& batch) override {
    const Tensor hidden = first_.forward(batch.inputs).relu();
    return head_.forward(training() ? dropout(hidden, 0.5, generator()) : hidden);
  }
  std::vector<Seam*> seams() override { return {&first_, &head_}; }

 private:
  Linear first_, head_;
};

/// A layer of inputs less their running mean, which moves in training mode, as BatchNorm's does.
class Centring : public Model {
 public:
  Centring() : layer_("classifier", at::full({4, 6}, 0.1F), at::zeros({4}), SeamKind::head) {}
  Tensor forward(const Batch& batch) override {
    ++asked;
    if (training()) {
      const at::NoGradGuard no_grad;
      running_mean.mul_(0.9).add_(batch.inputs.mean(0), 0.1);
    }
    return layer_.forward(batch.inputs - running_mean);
  }
  std::vector<Seam*> seams() override { return {&layer_}; }

  Tensor running_mean = at::zeros({6});
  int asked = 0;

 private:
  Linear layer_;
};

/// Whether its importances take passes over rows after a task.
bool looks_at_rows(const std::string& name) {
  return name == "ewc" || name == "ewc-kfac" || name == "mas";
}

}  // namespace

TEST_CASE("importances leave a model's running means as they are, and the model in training") {
  std::vector<std::pair<std::string, OptionMap>> cases = {{"ewc", {{"labels", "batched"}}}};
  for (const std::string& name : kRegularisers) cases.push_back({name, {}});
  for (const auto& [name, options] : cases) {
    CAPTURE(name, options.size());
    auto toy = std::make_unique<Centring>();
    Centring& model = *toy;
    Driven driven{std::move(toy), four_classes(), name, options};
    driven.begin(1);
    model.train(true);
    const Tensor fresh = model.running_mean.clone();
    driven.step(1, some_rows(driven), 0.1);
    const Tensor trained = model.running_mean.clone();
    CHECK_FALSE(trained.equal(fresh));
    const int before = model.asked;
    driven.end(1);
    CHECK((model.asked > before) == looks_at_rows(name));
    CHECK(model.running_mean.equal(trained));
    CHECK(model.training());
    model.forward(some_rows(driven));
    CHECK_FALSE(model.running_mean.equal(trained));  // it is still the one that moves
  }
}

TEST_CASE("importances draw nothing from dropout or from libtorch's own generator") {
  for (const auto& [name, options] : variants()) {
    for (const bool training : {false, true}) {
      CAPTURE(name, options, training);
      Driven driven{std::make_unique<Dropping>(), four_classes(), name, options};
      driven.begin(1);
      driven.model->train(training);
      const auto own = at::Generator(driven.model->generator()).get_state();
      const auto global = at::detail::getDefaultCPUGenerator().get_state();
      driven.end(1);
      CHECK(at::Generator(driven.model->generator()).get_state().equal(own));
      CHECK(at::detail::getDefaultCPUGenerator().get_state().equal(global));
      CHECK(driven.model->training() == training);
    }
  }
}

TEST_CASE("importances do not depend on the mode in which the model was left") {
  for (const std::string name : {"ewc", "mas"}) {
    CAPTURE(name);
    Driven evaluating{std::make_unique<Dropping>(), four_classes(), name, {}};
    Driven training{std::make_unique<Dropping>(), four_classes(), name, {}};
    training.model->train(true);
    evaluating.end(1);
    training.end(1);
    CHECK(training.twin(name + ".importance").equal(evaluating.twin(name + ".importance")));
    CHECK(training.twin(name + ".importance").max().item<double>() > 0);
  }
}
