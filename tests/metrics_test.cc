#include "analysis/metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/r_matrices.h"

namespace lethe {
namespace {

constexpr ForgettingFrom kFirst = ForgettingFrom::first_task;
constexpr ForgettingFrom kOwn = ForgettingFrom::own_task;
constexpr ForgettingFrom kBefore = ForgettingFrom::before_training;

Approx golden(double value) { return Approx(value).epsilon(0).margin(1e-6); }

// The same scores as losses: 1 - score, lower is better. Every difference must keep its value.
RMatrix as_loss(RMatrix r) {
  r.metric = {"loss", "nats", false};
  for (auto& row : r.rows) {
    for (auto& cell : row) cell = cell ? Cell(1 - *cell) : cell;
  }
  for (auto& cell : r.random) cell = 1 - *cell;
  return r;
}

// Everything that one R yields, for the tests of what is undefined.
std::vector<Cell> all_metrics(const RMatrix& r) {
  return {final_average(r),
          average_incremental(r),
          learning_accuracy(r),
          backward_transfer(r),
          forgetting(r, kFirst),
          forgetting(r, kOwn),
          forgetting(r, kBefore),
          fwt_random(r),
          fwt_zero_shot(r),
          retention(r),
          worst_after_learning(r, r.stages()),
          worst_case_accuracy(r, r.stages()),
          diaz_accuracy(r),
          diaz_backward_transfer(r),
          diaz_remembering(r),
          diaz_positive_backward_transfer(r),
          diaz_forward_transfer(r)};
}

ProbeScores probe(const MetricInfo& metric, Cell before, Cell after) {
  return {"probe", metric, before, after};
}

}  // namespace

TEST_CASE("averages of the golden matrix", "[metrics]") {
  const RMatrix r = golden_r();
  CHECK(*final_average(r) == golden(.8125));
  CHECK(*average_after(r, 1) == golden(.9));
  CHECK(*average_after(r, 2) == golden(.875));
  CHECK(*average_after(r, 3) == golden(.7));
  CHECK(*average_after(r, 4) == golden(.8125));
  CHECK(*average_incremental(r) == golden(.821875));
  CHECK(*learning_accuracy(r) == golden(.855));
}

TEST_CASE("transfer of the golden matrix, and its variants by their factor", "[metrics]") {
  RMatrix r = golden_r();
  CHECK(*backward_transfer(r) == golden(-.0566667));
  CHECK(*backward_transfer(r) * 3 / 4 == golden(-.0425));  // divided by T
  CHECK(-*backward_transfer(r) == golden(.0566667));       // "first - last"
  CHECK(*fwt_random(r) == golden(.4133333));
  CHECK(*fwt_random(r) * 3 / 4 == golden(.31));  // divided by T
  r.random = {0., 0., 0., 0.};
  CHECK(*fwt_random(r) == golden(.5166667));  // no baseline subtracted
}

TEST_CASE("zero-shot forward transfer is measured against row 0", "[metrics]") {
  RMatrix r = golden_r();
  r.rows[0] = {.2, .25, .3, .1};
  // R[1][2] - .25 = .05, R[2][3] - .3 = .55, R[3][4] - .1 = .3
  CHECK(*fwt_zero_shot(r) == golden(.3));
}

TEST_CASE("forgetting of the golden matrix in every index convention", "[metrics]") {
  RMatrix r = golden_r();
  CHECK(*forgetting_after(r, 2, kFirst) == golden(-.05));
  CHECK(*forgetting_after(r, 3, kFirst) == golden(.225));
  CHECK(*forgetting(r, kFirst) == golden(.09));
  CHECK(*forgetting(r, kOwn) == golden(.0733333));
  r.rows[0] = {.2, .9, .3, .1};  // task 2 was done at .9 before any training: terms .20, .02, .15
  CHECK(*forgetting(r, kBefore) == golden(.1233333));
  CHECK(*forgetting(r, kFirst) == golden(.09));
}

TEST_CASE("clamped forgetting of other programs differs by what the final row hides", "[metrics]") {
  const RMatrix r = golden_r();
  double from_own = 0;
  double from_any = 0;
  for (int64_t j = 0; j < 3; ++j) {
    double best_own = 0;
    double best_any = 0;
    for (int64_t l = 1; l <= 4; ++l) {
      best_any = std::max(best_any, *r.at(l, j));
      if (l > j) best_own = std::max(best_own, *r.at(l, j));
    }
    from_own += (best_own - *r.at(4, j)) / 3;
    from_any += (best_any - *r.at(4, j)) / 3;
  }
  CHECK(from_own == golden(.10));
  CHECK(from_any == golden(.1166667));
}

TEST_CASE("intransigence, retention and the worst case of the golden matrix", "[metrics]") {
  const RMatrix r = golden_r();
  CHECK(*intransigence(r, {.96, .95, .93, .97}) == golden(.0975));
  CHECK(*retention(r) == golden(.9361111));
  CHECK(*worst_after_learning(r, 4) == golden(.6666667));
  CHECK(*worst_case_accuracy(r, 1) == golden(.90));
  CHECK(*worst_case_accuracy(r, 2) == golden(.875));
  CHECK(*worst_case_accuracy(r, 3) == golden(.70));
  CHECK(*worst_case_accuracy(r, 4) == golden(.73));
}

TEST_CASE("the metrics of Diaz-Rodriguez et al. on the golden matrix", "[metrics]") {
  const RMatrix r = golden_r();
  CHECK(*diaz_accuracy(r) == golden(.80));
  CHECK(*diaz_backward_transfer(r) == golden(-.0866667));
  CHECK(*diaz_remembering(r) == golden(.9133333));
  CHECK(*diaz_positive_backward_transfer(r) == golden(0));
  CHECK(*diaz_forward_transfer(r) == golden(.3833333));
}

TEST_CASE("two other readings of the golden matrix are not what these functions give",
          "[metrics]") {
  const RMatrix r = golden_r();
  double double_sum = 0;  // the double sum without its terms j = i - 1, still divided by 6
  for (int64_t i = 3; i <= 4; ++i) {
    for (int64_t j = 1; j < i - 1; ++j) double_sum += (*r.at(i, j - 1) - *r.at(j, j - 1)) / 6;
  }
  CHECK(double_sum == golden(-.045));
  double last_step = 0;  // diagonal minus final, task T - 1 left out, divided by T - 1
  for (int64_t j = 1; j <= 2; ++j) last_step += (*r.at(j, j - 1) - *r.at(4, j - 1)) / 3;
  CHECK(last_step == golden(.0233333));
}

TEST_CASE("one task has an average and no forgetting, transfer or retention", "[metrics]") {
  RMatrix r = make_rmatrix({{.8}});
  r.rows[0] = {.1};
  r.random = {.1};
  CHECK(*final_average(r) == .8);
  CHECK(*average_incremental(r) == .8);
  CHECK(*learning_accuracy(r) == .8);
  CHECK(*worst_case_accuracy(r, 1) == .8);
  CHECK_FALSE(backward_transfer(r));
  for (ForgettingFrom from : {kFirst, kOwn, kBefore}) CHECK_FALSE(forgetting(r, from));
  CHECK_FALSE(fwt_random(r));
  CHECK_FALSE(fwt_zero_shot(r));
  CHECK_FALSE(retention(r));
  CHECK_FALSE(worst_after_learning(r, 1));
  CHECK_FALSE(diaz_backward_transfer(r));
  CHECK_FALSE(diaz_forward_transfer(r));
  for (const Cell& value : all_metrics(make_rmatrix({}))) CHECK_FALSE(value);
}

TEST_CASE("a missing cell leaves undefined what needs it and nothing else", "[metrics]") {
  RMatrix r = golden_r();
  CHECK_FALSE(fwt_zero_shot(r));  // no row 0
  CHECK_FALSE(forgetting(r, kBefore));
  r.random[1] = std::nullopt;
  CHECK_FALSE(fwt_random(r));
  r.rows[2][0] = std::nullopt;  // R[2][1]
  CHECK_FALSE(forgetting(r, kFirst));
  CHECK_FALSE(forgetting(r, kOwn));
  CHECK_FALSE(average_incremental(r));
  CHECK_FALSE(diaz_accuracy(r));
  CHECK(*final_average(r) == golden(.8125));
  CHECK(*backward_transfer(r) == golden(-.0566667));
  r.rows[4][3] = std::nullopt;
  CHECK_FALSE(final_average(r));
  CHECK_FALSE(learning_accuracy(r));
  CHECK_FALSE(intransigence(r, {.96, .95, .93}));
}

TEST_CASE("retention by a score of 0 is undefined", "[metrics]") {
  CHECK_FALSE(retention(make_rmatrix({{0., 0.}, {.5, .5}})));
}

TEST_CASE("where lower is better positive forgetting still means got worse", "[metrics]") {
  const RMatrix loss = as_loss(golden_r());
  CHECK(*final_average(loss) == golden(1 - .8125));
  CHECK(*backward_transfer(loss) == golden(-.0566667));
  CHECK(*forgetting(loss, kFirst) == golden(.09));
  CHECK(*forgetting(loss, kOwn) == golden(.0733333));
  CHECK(*fwt_random(loss) == golden(.4133333));
  CHECK(*intransigence(loss, {.04, .05, .07, .03}) == golden(.0975));
  CHECK(*diaz_backward_transfer(loss) == golden(-.0866667));
  CHECK(*worst_after_learning(loss, 4) == golden(1 - .6666667));
  // A loss that doubles keeps half.
  CHECK(*retention(make_rmatrix({{.5, 3.}, {1., 1.}}, {"loss", "nats", false})) == golden(.5));
}

TEST_CASE("the general ability delta of TRACE is minus the change of base ability", "[metrics]") {
  const std::vector<double> base = {46.56, 26.08, 40.23, 23.47, 70.55, 76.22};
  const std::vector<double> full = {46.43, 3.49, 30.11, 33.23, 77.89, 76.50};
  const std::vector<double> lora = {42.28, 14.71, 33.61, 21.72, 53.43, 75.19};
  const std::vector<double> vicuna = {51.28, 23.65, 43.32, 22.38, 78.56, 77.42};
  const std::vector<double> vicuna_lora = {48.37, 18.89, 28.16, 25.84, 67.24, 76.23};
  const auto change = [](const std::vector<double>& before, const std::vector<double>& after) {
    std::vector<ProbeScores> probes;
    for (size_t i = 0; i < before.size(); ++i) {
      probes.push_back(probe({"accuracy", "percent", true}, before[i], after[i]));
    }
    return *base_ability_change(probes);
  };
  CHECK(change(base, full) == Approx(2.5767).margin(5e-5));
  CHECK(change(base, lora) == Approx(7.0283).margin(5e-5));
  CHECK(change(vicuna, vicuna_lora) == Approx(5.3133).margin(5e-5));
}

TEST_CASE("TRACE's backward transfer is ours times (t - 1) / t", "[metrics]") {
  const RMatrix r = golden_r();
  double trace = 0;
  for (int64_t i = 1; i <= 4; ++i) trace += (*r.at(4, i - 1) - *r.at(i, i - 1)) / 4;
  CHECK(*backward_transfer(r) * 3 / 4 == golden(trace));
}

TEST_CASE("base loss rises by hand: 8/5 nats before, 9.5/5 after", "[metrics]") {
  TrialResult result;
  result.task_names = {"only"};
  Evaluation before = scored(0, 0, 0, {"loss", "nats", false});
  before.sum = 6.0 + 2.0;
  before.total = 3 + 2;
  Evaluation after = before;
  after.after_task = 1;
  after.sum = 7.5 + 2.0;
  result.evaluations = {before, after};
  const auto probes = probe_scores(result);
  REQUIRE(probes.size() == 1);
  CHECK(*probes[0].before == golden(1.6));
  CHECK(*probes[0].after == golden(1.9));
  CHECK(*base_ability_change(probes) == golden(.30));
  CHECK(std::exp(*base_ability_change(probes)) == golden(1.349859));
}

TEST_CASE("perplexities are exp of losses, and undefined for other units", "[metrics]") {
  const MetricInfo loss{"loss", "nats", false};
  const RMatrix r = make_rmatrix({{2., 5.}, {3., 1.}}, loss);
  CHECK(*final_perplexity(r) == Approx(std::exp(2.)));  // sqrt(e^3 e^1)
  CHECK_FALSE(final_perplexity(make_rmatrix({{.5}})));
  CHECK(*base_perplexity_ratio({probe(loss, 1., 1.3)}) == Approx(1.349859));
  CHECK_FALSE(base_perplexity_ratio({probe({"accuracy", "fraction", true}, 1., .5)}));
  CHECK_FALSE(base_perplexity_ratio({}));
}

TEST_CASE("base ability is undefined without probes or without one of the two scores",
          "[metrics]") {
  const MetricInfo loss = {"loss", "nats", false};
  CHECK_FALSE(base_ability_change({}));
  CHECK_FALSE(base_ability_change({probe(loss, std::nullopt, 2.)}));
  CHECK_FALSE(base_ability_change({probe(loss, 1., 2.), probe(loss, 1., std::nullopt)}));
}

TEST_CASE("the stability gap is the mean depth of dips inside later tasks", "[metrics]") {
  TrialResult result =
      finished("x", 1, {{.1, .1, .1}, {.9, .2, .2}, {.8, .9, .2}, {.7, .9, .9}}).result;
  CHECK_FALSE(stability_gap(result, "accuracy"));
  const auto inside = [&](int64_t during, int64_t on, double score) {
    Evaluation cell = scored(during, on, score);
    cell.within_task = true;
    result.evaluations.push_back(cell);
  };
  inside(2, 1, .5);   // below both .9 and .8 by .3
  inside(2, 1, .85);  // between them: not the worst
  inside(3, 1, .75);  // between .8 and .7: no dip
  CHECK_FALSE(stability_gap(result, "accuracy"));
  inside(3, 2, .3);  // below .9 and .9 by .6
  CHECK(*stability_gap(result, "accuracy") == golden((.3 + 0 + .6) / 3));
  inside(3, 2, std::nan(""));
  CHECK_FALSE(stability_gap(result, "accuracy"));
}

}  // namespace lethe
