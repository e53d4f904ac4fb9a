// Synaptic intelligence on scalar quadratics (theta - a)^2 / 2, a = 3 then -1, three steps each,
// rate 0.1, c = 0.5, xi = 0.1, the optimizer's state kept: every number by hand in double
// precision.
#include "tests/catch.h"
// After Catch.
#include "core/update.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

struct Golden {
  double value, path, importance;
};

/// Steps of one strategy on one weight, as the trainer makes them.
class Walk {
 public:
  Walk(kernels::Optimizer optimizer, const OptionMap& options)
      : optimizer_(optimizer),
        model_(at::zeros({1, 1})),
        si_(builtin_methods().at("si").make(options)) {
    stream_ = random_stream(Scenario::domain_incremental, 2, 4);
    arena_.lay_out(model_);
    Setup setup{model_, arena_, stream_, make_generator(1), {}};
    si_->prepare(setup);
    first_ = arena_.twin("first", Category::optimizer);
    second_ = arena_.twin("second", Category::optimizer);
  }

  Golden task(int64_t number, float target) {
    const TrainingPlan plan;
    si_->before_task({number, stream_, plan, model_, arena_, 4});
    for (int i = 0; i < 3; ++i) last_penalty_ = step(target);
    const double path = arena_.twin("si.path").tensor()[0].item<double>();
    const Rows& rows = *stream_.tasks[0].train;
    si_->after_task({number, stream_, rows, model_, arena_, make_generator(1), 4});
    return {arena_.values()[0].item<double>(), path,
            arena_.twin("si.importance").tensor()[0].item<double>()};
  }

  double last_penalty() const { return last_penalty_; }

 private:
  double step(float target) {
    kernels::Update update;
    update.optimizer = optimizer_;
    update.n = arena_.size();
    update.value = arena_.values().data_ptr<float>();
    update.gradient = arena_.gradient().data_ptr<float>();
    update.gradient[0] = update.value[0] - target;
    update.first = first_.tensor().data_ptr<float>();
    update.second = second_.tensor().data_ptr<float>();
    update.learning_rate = 0.1;
    update.step = ++count_;
    Update contributions(arena_, update, [](const Batch&, Tensor) {});
    si_->contribute(contributions);
    return update_on(at::kCPU, update);
  }

  kernels::Optimizer optimizer_;
  OneLayer model_;
  std::unique_ptr<Strategy> si_;
  TaskStream stream_;
  Arena arena_;
  Twin first_, second_;
  int64_t count_ = 0;
  double last_penalty_ = 0;
};

OptionMap options_of(const std::string& gradient, const std::string& c = "0.5") {
  return {{"c", c}, {"xi", "0.1"}, {"gradient", gradient}};
}

void check(const Golden& found, const Golden& golden) {
  CHECK(found.value == Approx(golden.value).epsilon(2e-6));
  CHECK(found.path == Approx(golden.path).epsilon(2e-6));
  CHECK(found.importance == Approx(golden.importance).epsilon(2e-6));
}

}  // namespace

TEST_CASE("the trajectory under SGD has the golden path and importance for either gradient") {
  const Golden first = {0.813, 2.21949000, 2.91666283};
  Walk paper(kernels::Optimizer::sgd, options_of("unregularised"));
  check(paper.task(1, 3), first);
  check(paper.task(2, -1), {0.45431542, 0.61073549, 5.58765840});
  Walk total(kernels::Optimizer::sgd, options_of("total"));
  check(total.task(1, 3), first);
  check(total.task(2, -1), {0.45431542, 0.49535334, 5.08304517});
}

TEST_CASE("the trajectory under Adam has the golden path and importance for either gradient") {
  const Golden first = {0.29961848, 0.86893170, 4.57883789};
  Walk paper(kernels::Optimizer::adam, options_of("unregularised"));
  check(paper.task(1, 3), first);
  check(paper.task(2, -1), {0.41135390, -0.14868080, 3.25705225});
  Walk total(kernels::Optimizer::adam, options_of("total"));
  check(total.task(1, 3), first);
  check(total.task(2, -1), {0.41135390, -0.16455738, 3.11590801});
}

TEST_CASE("SI holds nothing back in the first task and pulls in the second") {
  Walk walk(kernels::Optimizer::sgd, options_of("unregularised"));
  walk.task(1, 3);
  CHECK(walk.last_penalty() == 0);
  walk.task(2, -1);
  CHECK(walk.last_penalty() > 0.01);
}

TEST_CASE("the penalty is c Omega (theta - anchor)^2, without a half") {
  // One step of task 2 moves theta from 0.813 by 0.1 times (0.813 + 1); the second step's penalty
  // is taken there, the third's after it: with Omega = 2.91666283, c = 0.5.
  Walk walk(kernels::Optimizer::sgd, options_of("unregularised"));
  walk.task(1, 3);
  walk.task(2, -1);
  const double importance = 2.91666283, start = 0.813;
  double theta = start;
  for (int i = 0; i < 2; ++i) {
    theta -= 0.1 * ((theta + 1) + 2 * 0.5 * importance * (theta - start));
  }
  CHECK(walk.last_penalty() ==
        Approx(0.5 * importance * (theta - start) * (theta - start)).epsilon(1e-5));
}

TEST_CASE("a negative path leaves an importance of 0, not below") {
  // Adam's momentum carries theta away from the target: the loss rises along the path.
  Walk walk(kernels::Optimizer::adam, options_of("unregularised", "0"));
  walk.task(1, 3);
  const Golden second = walk.task(2, 0.2F);
  const Golden third = walk.task(3, 0.1F);
  CHECK(second.importance >= 0);
  CHECK(third.importance >= 0);
}
