// Synaptic intelligence on scalar quadratics (theta - a)^2 / 2, a = 3 then -1, three steps each,
// rate 0.1, c = 0.5, xi = 0.1, the optimizer's state kept: every number by hand in double
// precision.
#include "tests/catch.h"
// After Catch.
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

struct GoldenRun {
  double value, path, importance;
};

/// Steps of SI on one weight, as the trainer makes them.
class Walk {
 public:
  Walk(kernels::Optimizer optimizer, const OptionMap& options)
      : driven_(std::make_unique<OneLayer>(at::zeros({1, 1})),
                random_stream(Scenario::domain_incremental, 4, 4), "si", options) {
    step_.optimizer = optimizer;
    step_.n = driven_.arena.size();
    step_.value = driven_.arena.values().data_ptr<float>();
    step_.gradient = driven_.arena.gradient().data_ptr<float>();
    step_.first = moment("first");
    step_.second = moment("second");
    step_.learning_rate = 0.1;
    step_.step = 0;
  }

  GoldenRun task(int64_t number, float target) {
    driven_.begin(number);
    for (int i = 0; i < 3; ++i) last_penalty_ = step(target);
    const double path = driven_.twin("si.path")[0].item<double>();
    driven_.end(number);
    return {driven_.value(), path, driven_.twin("si.importance")[0].item<double>()};
  }

  double last_penalty() const { return last_penalty_; }

 private:
  float* moment(const std::string& name) {
    return driven_.arena.twin(name, Category::optimizer).tensor().data_ptr<float>();
  }

  double step(float target) {
    ++step_.step;
    step_.gradient[0] = step_.value[0] - target;
    kernels::Update update = step_;
    Update contributions(driven_.arena, update, [](const Batch&, Tensor) {});
    driven_.strategy->contribute(contributions);
    return update_on(at::kCPU, update);
  }

  Driven driven_;
  kernels::Update step_;
  double last_penalty_ = 0;
};

OptionMap options_of(const std::string& gradient, const std::string& c = "0.5") {
  return {{"c", c}, {"xi", "0.1"}, {"gradient", gradient}};
}

void check(const GoldenRun& found, const GoldenRun& golden) {
  CHECK(found.value == Approx(golden.value).epsilon(2e-6));
  CHECK(found.path == Approx(golden.path).epsilon(2e-6));
  CHECK(found.importance == Approx(golden.importance).epsilon(2e-6));
}

}  // namespace

TEST_CASE("the trajectory under SGD has the golden path and importance for either gradient") {
  const GoldenRun first = {0.813, 2.21949000, 2.91666283};
  Walk paper(kernels::Optimizer::sgd, options_of("unregularised"));
  check(paper.task(1, 3), first);
  check(paper.task(2, -1), {0.45431542, 0.61073549, 5.58765840});
  Walk total(kernels::Optimizer::sgd, options_of("total"));
  check(total.task(1, 3), first);
  check(total.task(2, -1), {0.45431542, 0.49535334, 5.08304517});
}

TEST_CASE("the trajectory under Adam has the golden path and importance for either gradient") {
  const GoldenRun first = {0.29961848, 0.86893170, 4.57883789};
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

TEST_CASE("a path uphill leaves an importance of 0, or below it without the clamp") {
  // No weight moves, so that Omega grows by path / xi: by -0.5 / 0.1, then by 0.3 / 0.1.
  const auto importances = [](const std::string& clamp) {
    OptionMap options = options_of("unregularised");
    options["clamp"] = clamp;
    Driven driven(std::make_unique<OneLayer>(at::zeros({1, 1})),
                  random_stream(Scenario::domain_incremental, 4, 4), "si", options);
    std::vector<double> found;
    for (const float path : {-0.5F, 0.3F}) {
      driven.begin(static_cast<int64_t>(found.size()) + 1);
      driven.twin("si.path")[0] = path;
      driven.end(static_cast<int64_t>(found.size()) + 1);
      found.push_back(driven.twin("si.importance")[0].item<double>());
    }
    return found;
  };
  const std::vector<double> clamped = importances("true"), free = importances("false");
  CHECK(clamped[0] == 0);
  CHECK(clamped[1] == Approx(3).epsilon(1e-6));
  CHECK(free[0] == Approx(-5).epsilon(1e-6));
  CHECK(free[1] == Approx(-2).epsilon(1e-6));
}
