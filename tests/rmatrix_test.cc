#include "analysis/rmatrix.h"

#include <catch2/catch.hpp>
#include <limits>

#include "analysis/metrics.h"
#include "core/error.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

const MetricInfo kAccuracy = {"accuracy", "fraction", true};
const MetricInfo kLossInNats = {"loss", "nats", false};

// Four tasks, in turn in accuracy and in loss: R of each is a stream of two columns.
TrialResult two_metrics() {
  TrialResult result;
  result.task_names = {"a", "b", "c", "d"};
  for (int64_t after = 0; after <= 4; ++after) {
    for (int64_t on = 1; on <= 4; ++on) {
      const double score = static_cast<double>(10 * after + on) / 100;
      result.evaluations.push_back(scored(after, on, score, on % 2 == 1 ? kAccuracy : kLossInNats));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("R holds sum over total of the evaluations between tasks", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1, .2}, {.9, .3}, {.7, .8}}).result;
  Evaluation within = scored(2, 1, .01);
  within.within_task = true;
  result.evaluations.push_back(within);
  result.evaluations.push_back(scored(0, 0, 3.5, kLossInNats));
  result.evaluations.push_back(scored(-1, 2, .05));
  const RMatrix r = rmatrix_of(result, "accuracy");
  CHECK(r.tasks == std::vector<std::string>{"task 1", "task 2"});
  CHECK(r.learned == std::vector<int64_t>{1, 2});
  CHECK(r.stages() == 2);
  CHECK(*r.at(0, 1) == Approx(.2));
  CHECK(*r.at(1, 0) == Approx(.9));
  CHECK(*r.at(2, 0) == Approx(.7));
  CHECK(*r.at(-1, 1) == Approx(.05));
  CHECK_FALSE(r.at(-1, 0));
  CHECK_FALSE(r.at(3, 0));
  CHECK_FALSE(r.at(1, 2));
}

TEST_CASE("a cell without rows or with a score that is no number is missing", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1, .2}, {.9, .3}, {.7, .8}}).result;
  result.evaluations[2].total = 0;
  result.evaluations[3].sum = std::numeric_limits<double>::quiet_NaN();
  const RMatrix r = rmatrix_of(result, "accuracy");
  CHECK_FALSE(r.at(1, 0));
  CHECK_FALSE(r.at(1, 1));
  CHECK(r.at(2, 1));
}

TEST_CASE("a task that was never measured is a missing column, not an absent one", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1, .2}, {.9, .3}, {.7, .8}}).result;
  result.task_names.push_back("task 3");
  const RMatrix r = rmatrix_of(result, "accuracy");
  CHECK(r.stages() == 3);
  CHECK(r.columns() == 3);
  CHECK_FALSE(final_average(r));
}

TEST_CASE("tasks of two metrics have an R each, by their own stages", "[rmatrix]") {
  const TrialResult result = two_metrics();
  const auto metrics = task_metrics(result);
  REQUIRE(metrics.size() == 2);
  CHECK(metrics[0].name == "accuracy");
  CHECK(metrics[1].name == "loss");
  const RMatrix accuracy = rmatrix_of(result, "accuracy");
  CHECK(accuracy.tasks == std::vector<std::string>{"a", "c"});
  CHECK(accuracy.learned == std::vector<int64_t>{1, 3});
  CHECK(*final_average(accuracy) == Approx((.41 + .43) / 2));
  CHECK(*learning_accuracy(accuracy) == Approx((.11 + .33) / 2));
  CHECK(*backward_transfer(accuracy) == Approx(((.41 - .11) + (.43 - .33)) / 2));
  CHECK(*fwt_zero_shot(accuracy) == Approx(.23 - .03));
  CHECK(*average_incremental(accuracy) ==
        Approx((.11 + .21 + (.31 + .33) / 2 + (.41 + .43) / 2) / 4));
  const RMatrix loss = rmatrix_of(result, "loss");
  CHECK(loss.learned == std::vector<int64_t>{2, 4});
  CHECK(*forgetting(loss, ForgettingFrom::own_task) == Approx(.42 - .22));
  CHECK(*retention(loss) == Approx(.22 / .42));
  CHECK(*average_incremental(loss) == Approx((.22 + .32 + (.42 + .44) / 2) / 3));
}

TEST_CASE("a cell that was measured twice is refused", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1, .2}, {.9, .3}, {.7, .8}}).result;
  result.evaluations.push_back(scored(1, 2, .4));
  CHECK_THROWS_WITH(rmatrix_of(result, "accuracy"),
                    "task 'task 2' has two accuracy scores after task 1; expected one");
}

TEST_CASE("a stage before random initialisation is refused", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1}, {.9}}).result;
  result.evaluations.push_back(scored(-2, 1, .4));
  CHECK_THROWS_WITH(
      rmatrix_of(result, "accuracy"),
      "evaluation of task 'task 1' after task -2; expected -1 (random initialisation) or more");
}

TEST_CASE("probes keep their first and their last score", "[rmatrix]") {
  TrialResult result = finished("x", 1, {{.1, .2}, {.9, .3}, {.7, .8}}).result;
  for (int64_t after : {0, 1, 2}) {
    result.evaluations.push_back(scored(after, 0, 2.0 + static_cast<double>(after), kLossInNats));
  }
  const auto probes = probe_scores(result);
  REQUIRE(probes.size() == 1);
  CHECK(probes[0].probe == "probe");
  CHECK(*probes[0].before == Approx(2));
  CHECK(*probes[0].after == Approx(4));
  CHECK(task_metrics(result).size() == 1);
}

}  // namespace lethe
