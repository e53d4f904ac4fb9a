// What every regulariser promises: a penalty of 0 at its anchor and above 0 beside it, a gradient
// equal to finite differences, snapshots of its own, no state for frozen parameters and no
// importance for new ones, and importances that leave model, running means and generators alone.
#include "tests/catch.h"
// After Catch.
#include "core/contract.h"
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

const std::vector<std::string> kRegularisers = {"ewc", "ewc-kfac", "l2", "mas", "rwalk", "si"};

TaskStream four_classes() { return same_rows_stream(random_rows(5, 24, 6, {0, 1, 2, 3}), 4); }

Batch some_rows(const Driven& driven) {
  return driven.stream.tasks[0].train->batch({0, 1, 2, 3, 4, 5, 6, 7});
}

/// A strategy of four classes after a trained first task.
Driven after_one_task(const std::string& name) {
  Driven driven{mlp(6, 8, 1, 4), four_classes(), name, {}};
  driven.begin(1);
  for (int i = 0; i < 5; ++i) driven.step(1, some_rows(driven), 0.1);
  driven.end(1);
  driven.begin(2);
  return driven;
}

void shift(Driven& driven, double size) {
  const at::NoGradGuard no_grad;
  Random random(4);
  for (const ArenaRange& range : driven.arena.ranges()) {
    for (int64_t i = range.offset; i < range.offset + range.size; ++i) {
      driven.arena.values()[i] += static_cast<float>(size * random.normal());
    }
  }
}

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

TEST_CASE("a regulariser's penalty is 0 before anything is held and at the anchor, else above") {
  for (const std::string& name : kRegularisers) {
    CAPTURE(name);
    Driven fresh{mlp(6, 8, 1, 4), four_classes(), name, {}};
    fresh.begin(1);
    CHECK(fresh.penalty() == 0);
    Driven driven = after_one_task(name);
    CHECK(driven.penalty() == 0);
    driven.step(2, some_rows(driven), 0.1);
    CHECK(driven.penalty() > 0);
  }
}

TEST_CASE("the gradient of every penalty equals finite differences") {
  for (const std::string& name : kRegularisers) {
    CAPTURE(name);
    Driven driven = after_one_task(name);
    shift(driven, 0.25);
    Tensor gradient;
    driven.penalty(&gradient);
    const double largest = gradient.abs().max().item<double>();
    CHECK(largest > 1e-3);
    for (const ArenaRange& range : driven.arena.ranges()) {
      const int64_t i = range.offset + range.size / 2;
      const auto value = static_cast<float>(driven.value(i));
      const auto penalty_at = [&](float moved) {
        const at::NoGradGuard no_grad;
        driven.arena.values()[i] = moved;
        const double penalty = driven.penalty();
        driven.arena.values()[i] = value;
        return penalty;
      };
      // A quadratic's central difference has no error but rounding.
      const float above = value + 0.25F, below = value - 0.25F;
      const double slope = (penalty_at(above) - penalty_at(below)) /
                           (static_cast<double>(above) - static_cast<double>(below));
      CAPTURE(range.name);
      CHECK(gradient[i].item<double>() == Approx(slope).epsilon(1e-4).margin(1e-5 * largest));
    }
  }
}

TEST_CASE("what is held is a copy: the model's moves do not move it") {
  for (const std::string& name : kRegularisers) {
    CAPTURE(name);
    Driven driven = after_one_task(name);
    const Tensor start = driven.arena.values().clone();
    std::vector<Tensor> held;
    for (const Twin& twin : driven.arena.twins()) {
      if (twin.name() != "gradient") held.push_back(twin.tensor().clone());
    }
    shift(driven, 0.5);
    const double penalty = driven.penalty();
    CHECK(penalty > 0);
    size_t i = 0;
    for (const Twin& twin : driven.arena.twins()) {
      if (twin.name() == "gradient" || twin.name() == "si.path") continue;
      if (twin.name().ends_with(".anchor")) CHECK(twin.tensor().equal(start));
      CHECK(twin.tensor().data_ptr() != driven.arena.values().data_ptr());
      ++i;
    }
    CHECK(i + (name == "si" ? 1 : 0) == held.size());
    shift(driven, 0.5);
    CHECK(driven.penalty() != penalty);
  }
}

TEST_CASE("frozen parameters keep no state, and new ones start without importance") {
  for (const std::string& name : kRegularisers) {
    if (name == "ewc-kfac") continue;  // no importances in twins
    CAPTURE(name);
    Driven driven{mlp(6, 8, 1, 4), four_classes(), name, {}};
    Seam& head = *driven.model->seams()[1];
    head.set_trainable(false);
    driven.adapt(1);
    CHECK(driven.arena.parameter_count() == 6 * 8 + 8);
    for (const Twin& twin : driven.arena.twins()) CHECK(twin.tensor().numel() == 6 * 8 + 16);
    driven.begin(1);
    for (int i = 0; i < 5; ++i) driven.step(1, some_rows(driven), 0.1);
    driven.end(1);
    head.set_trainable(true);
    driven.adapt(2);
    const Tensor importance = driven.twin(name + ".importance");
    double old = 0;
    for (const ArenaRange& range : driven.arena.ranges()) {
      const double largest = driven.arena.slice(importance, range).max().item<double>();
      if (range.name.rfind("classifier", 0) == 0) {
        CHECK(largest == 0);
      } else {
        old = std::max(old, largest);
      }
    }
    CHECK(old > 0);
  }
}

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
  for (const std::string& name : kRegularisers) {
    for (const bool training : {false, true}) {
      CAPTURE(name, training);
      Driven driven{std::make_unique<Dropping>(), four_classes(), name, {}};
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

TEST_CASE("ewc on adapters protects the first task after the third") {
  TaskStream stream = random_stream(Scenario::class_incremental, 4);
  const auto model = mlp(6, 8, 1, 8);
  Arena arena;
  Method method = method_of("lora+ewc", {{"rank", "2"}, {"labels", "exact"}});
  Setup setup{*model, arena, stream, make_generator(1), {}};
  for (const auto& strategy : method.strategies) strategy->prepare(setup);
  arena.lay_out(*model);
  std::vector<Tensor> after;
  for (int64_t task = 1; task <= 3; ++task) {
    {
      const at::NoGradGuard no_grad;
      arena.values().add_(0.1 * static_cast<double>(task));
    }
    const Rows& rows = *stream.tasks[static_cast<size_t>(task) - 1].train;
    method.strategies[1]->after_task({task, stream, rows, *model, arena, make_generator(1), 64});
    after.push_back(arena.twin("ewc.importance").tensor().clone());
  }
  CHECK(after[0].max().item<double>() > 0);
  CHECK((after[1] - after[0]).min().item<double>() >= 0);  // nothing of task 1 is lost
  CHECK((after[2] - after[1]).min().item<double>() >= 0);
  CHECK((after[2] - after[0]).max().item<double>() > 0);
}

TEST_CASE("settings off the default keep the contract of every regulariser") {
  const auto violations = [](const std::string& method, const OptionMap& options) {
    return contract_violations(builtin_methods(),
                               parse_method(builtin_methods(), method, options).parts);
  };
  using Faults = std::vector<std::string>;
  CHECK(violations("ewc", {{"rows", "10"}, {"labels", "sampled"}, {"divisor", "n-1"}}) == Faults{});
  CHECK(violations("mas", {{"norm", "unsquared"}, {"combine", "average"}, {"rows", "10"}}) ==
        Faults{});
  CHECK(violations("rwalk", {{"normalise", "false"}, {"interval", "5"}}) == Faults{});
  CHECK(violations("ewc-kfac", {{"mode", "offline"}, {"labels", "sampled"}, {"rows", "10"}}) ==
        Faults{});
  for (const char* method : {"lora+mas", "lora+rwalk", "si+ewc-kfac", "l2+distill"}) {
    CHECK(violations(method, {}) == Faults{});
  }
}
