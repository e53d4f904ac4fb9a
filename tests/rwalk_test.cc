// Riemannian walk on scalar quadratics (theta - a)^2 / 2, a = 3 then -1, five steps of SGD each,
// rate 0.1, lambda = 0.5, alpha = 0.9, an interval of 2 steps, epsilon = 1e-3: every number from
// the formulas in double precision.
#include "tests/catch.h"
// After Catch.
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

Driven scalar(const OptionMap& more) {
  OptionMap options = {{"lambda", "0.5"}, {"alpha", "0.9"}, {"interval", "2"}};
  for (const auto& [key, value] : more) options[key] = value;
  const RowsPtr rows = random_rows(1, 4, 1, {0, 1});
  return {std::make_unique<OneLayer>(at::zeros({1, 1})), same_rows_stream(rows, 2), "rwalk",
          options};
}

/// Five steps towards `target`; returns the last step's penalty.
double walk(Driven& rwalk, int64_t task, double target) {
  rwalk.begin(task);
  double penalty = 0;
  for (int i = 0; i < 5; ++i) {
    penalty = rwalk.step_along(task, rwalk.value() - target, 0.1);
  }
  rwalk.end(task);
  return penalty;
}

struct GoldenRun {
  double value, fisher, score, importance;
};

void check(Driven& rwalk, const GoldenRun& golden) {
  CHECK(rwalk.value() == Approx(golden.value).epsilon(2e-6));
  CHECK(rwalk.twin("rwalk.fisher")[0].item<double>() == Approx(golden.fisher).epsilon(2e-6));
  CHECK(rwalk.twin("rwalk.score")[0].item<double>() == Approx(golden.score).epsilon(2e-6));
  CHECK(rwalk.twin("rwalk.importance")[0].item<double>() ==
        Approx(golden.importance).epsilon(2e-6));
}

}  // namespace

TEST_CASE("the trajectory, the moving Fisher and the score have the values of the formulas") {
  Driven raw = scalar({{"normalise", "false"}});
  CHECK(walk(raw, 1, 3) == 0);
  check(raw, {1.22853, 3.977856711, 8.34443393330626, 12.322290644306259});
  CHECK(walk(raw, 2, -1) > 0);
  check(raw, {1.0605746489979708, 4.2545976403507115, 21.612402925358495, 25.867000565709205});
  Driven normalised = scalar({});
  walk(normalised, 1, 3);
  check(normalised, {1.22853, 3.977856711, 8.34443393330626, 2});
  walk(normalised, 2, -1);
  check(normalised, {0.6105363457000001, 2.799670265486929, 17.53350828563792, 2});
}

TEST_CASE("one interval by hand") {
  // theta 0 -> 0.3, g = -3: dL = 0.9, F = 9, s = 0.9 / (4.5 * 0.09 + 0.1).
  Driven rwalk = scalar({{"interval", "1"}, {"epsilon", "0.1"}});
  rwalk.begin(1);
  rwalk.step_along(1, -3, 0.1);
  CHECK(rwalk.twin("rwalk.fisher")[0].item<double>() == Approx(9));
  CHECK(rwalk.twin("rwalk.running")[0].item<double>() == Approx(0.9 / (4.5 * 0.09 + 0.1)));
}

TEST_CASE("an interval in which the loss rose adds nothing") {
  Driven rwalk = scalar({{"interval", "1"}});
  rwalk.begin(1);
  rwalk.step_along(1, -3, -0.1);  // uphill
  CHECK(rwalk.value() == Approx(-0.3));
  CHECK(rwalk.twin("rwalk.running")[0].item<double>() == 0);
  rwalk.step_along(1, -3, 0.1);
  CHECK(rwalk.twin("rwalk.running")[0].item<double>() > 0);
}

TEST_CASE("the penalty is lambda times importance times the squared distance, without a half") {
  Driven rwalk = scalar({});
  walk(rwalk, 1, 3);
  CHECK(rwalk.penalty() == 0);
  rwalk.set({1.72853F});
  Tensor gradient;
  CHECK(rwalk.penalty(&gradient) == Approx(0.5 * 2 * 0.25).epsilon(1e-5));
  CHECK(gradient[0].item<double>() == Approx(2 * 0.5 * 2 * 0.5).epsilon(1e-5));
}

TEST_CASE("Fisher and score are each divided by their largest value") {
  const RowsPtr rows = random_rows(2, 30, 6, {0, 1, 2, 3});
  Driven rwalk{mlp(6, 8, 1, 4), same_rows_stream(rows, 4), "rwalk", {{"interval", "3"}}};
  std::vector<int64_t> all(30);
  for (int64_t i = 0; i < 30; ++i) all[static_cast<size_t>(i)] = i;
  rwalk.begin(1);
  for (int i = 0; i < 7; ++i) rwalk.step(1, rows->batch(all), 0.1);
  rwalk.end(1);
  const Tensor fisher = rwalk.twin("rwalk.fisher"), score = rwalk.twin("rwalk.score");
  const Tensor expected = fisher / fisher.max() + score / score.max();
  CHECK((rwalk.twin("rwalk.importance") - expected).abs().max().item<double>() < 1e-6);
  CHECK(score.max().item<double>() > 0);
}

TEST_CASE("the moving Fisher squares the task's gradient without the penalty's") {
  Driven strong = scalar({{"lambda", "4"}}), none = scalar({{"lambda", "0"}});
  for (Driven* rwalk : {&strong, &none}) {
    walk(*rwalk, 1, 3);
    rwalk->begin(2);
    rwalk->set({2});  // away from the anchor
    rwalk->step_along(2, -1, 0.01);
  }
  CHECK(strong.value() != none.value());
  CHECK(strong.twin("rwalk.fisher")[0].item<double>() ==
        none.twin("rwalk.fisher")[0].item<double>());
}
