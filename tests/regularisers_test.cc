// What every regulariser promises: a penalty of 0 at its anchor and above 0 beside it, a gradient
// equal to finite differences, snapshots of its own, no state for frozen parameters and no
// importance for new ones.
#include "tests/catch.h"
// After Catch.
#include "core/contract.h"
#include "tests/regulariser_variants.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

void train_task(Driven& driven, int64_t task, double rate = 0.1) {
  driven.begin(task);
  for (int i = 0; i < 5; ++i) driven.step(task, some_rows(driven), rate);
  driven.end(task);
}

/// A strategy of four classes after a trained first task.
Driven after_one_task(const std::string& name, const OptionMap& options = {}) {
  Driven driven{mlp(6, 8, 1, 4), four_classes(), name, options};
  train_task(driven, 1);
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

/// Moves away from the anchor and holds every coordinate of the penalty's gradient against the
/// central difference: of a quadratic it has no error but rounding.
void check_gradient(Driven& driven) {
  shift(driven, 0.25);
  Tensor gradient;
  driven.penalty(&gradient);
  const double largest = gradient.abs().max().item<double>();
  CHECK(largest > 1e-3);
  double farthest = 0;
  for (const ArenaRange& range : driven.arena.ranges()) {
    for (int64_t i = range.offset; i < range.offset + range.size; ++i) {
      const double slope =
          central_difference(driven.arena.values(), i, 0.25, [&] { return driven.penalty(); });
      const double off = std::abs(gradient[i].item<double>() - slope);
      farthest = std::max(farthest, off / (1e-4 * std::abs(slope) + 1e-5 * largest));
    }
  }
  CHECK(farthest <= 1);
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
  for (const auto& [name, options] : variants()) {
    CAPTURE(name, options);
    Driven driven = after_one_task(name, options);
    check_gradient(driven);
    shift(driven, 0.25);
    train_task(driven, 2, 1e-3);  // two anchors, where the variant keeps them
    check_gradient(driven);
  }
}

TEST_CASE("what is held is a copy: the model's moves do not move it") {
  for (const std::string& name : kRegularisers) {
    CAPTURE(name);
    Driven driven = after_one_task(name);
    const Tensor start = driven.arena.values().clone();
    std::map<std::string, Tensor> held;
    for (const Twin& twin : driven.arena.twins()) {
      if (twin.name() == "gradient" || twin.name() == "rwalk.fisher") continue;
      held[twin.name()] = twin.tensor().clone();
    }
    shift(driven, 0.5);
    const double penalty = driven.penalty();
    CHECK(penalty > 0);
    size_t compared = 0;
    for (const Twin& twin : driven.arena.twins()) {
      // What every update moves by itself, one of no length too.
      if (twin.name() == "gradient" || twin.name() == "rwalk.fisher") continue;
      CAPTURE(twin.name());
      CHECK(twin.tensor().equal(held.at(twin.name())));
      if (twin.name().ends_with(".anchor")) CHECK(twin.tensor().equal(start));
      CHECK(twin.tensor().data_ptr() != driven.arena.values().data_ptr());
      ++compared;
    }
    CHECK(compared == held.size());
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
