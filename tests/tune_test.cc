// `lethe tune`: its candidates, its trials, what it chooses and the sweep that it writes.
#include "tests/catch.h"
// After Catch.
#include <cmath>
#include <set>

#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/tune_case.h"

using namespace lethe;
using Words = std::vector<std::string>;

namespace {

const std::string kEwc = "[[method]]\nname = \"ewc\"\n";
const std::string kTuned = kEwc + "tune.ewc.lambda = [1, 10, 100]\n";

SearchSpace list(const Words& values) { return {values, 0, 0, false, false, 0}; }
SearchSpace range(double from, double to, bool log = false, bool whole = false) {
  return {{}, from, to, log, whole, 0};
}

std::string in_one_line(const std::vector<OptionMap>& candidates) {
  std::string text;
  for (const OptionMap& candidate : candidates) {
    for (const auto& [key, value] : candidate) text += key + "=" + value + " ";
    text += "| ";
  }
  return text;
}

Choice only_choice(const TunePlan& plan, const std::vector<TrialRecord>& records) {
  const auto choices = choices_of(plan, records);
  REQUIRE(choices.size() == 1);
  return choices[0];
}

}  // namespace

TEST_CASE("a grid has every combination, the last option's values fastest") {
  const SearchSpaces spaces = {{"b", list({"x", "y"})}, {"a", list({"1", "2"})}};
  CHECK(in_one_line(grid_candidates(spaces)) == "a=1 b=x | a=1 b=y | a=2 b=x | a=2 b=y | ");
  CHECK(candidate_count(spaces) == 4);
  CHECK_THROWS_WITH(grid_candidates({{"lr", range(0, 1)}}),
                    "'tune.lr' is a range, which has no grid; give a list, or search with --search "
                    "random");
}

TEST_CASE("random candidates are recorded: uniform, log and whole draws of one sequence") {
  // By a second implementation of the generator.
  const SearchSpaces spaces = {{"a", range(1e-5, 1e-2, true)},
                               {"b", range(0, 1)},
                               {"c", range(1, 4, false, true)},
                               {"d", list({"x", "y", "z"})}};
  CHECK(in_one_line(random_candidates(spaces, 4, 7)) ==
        "a=0.00126 b=0.279 c=4 d=z | a=0.00939 b=0.873 c=1 d=x | a=0.000163 b=0.152 c=3 d=z | "
        "a=0.00656 b=0.881 c=2 d=y | ");
  const auto more = random_candidates(spaces, 9, 7);
  CHECK(in_one_line({more.begin(), more.begin() + 4}) ==
        in_one_line(random_candidates(spaces, 4, 7)));
  CHECK(in_one_line(random_candidates(spaces, 4, 8)) !=
        in_one_line(random_candidates(spaces, 4, 7)));
}

TEST_CASE("random candidates of lists are a permutation of the grid, cut at the budget") {
  const SearchSpaces spaces = {{"a", list({"1", "2"})}, {"b", list({"x", "y", "z"})}};
  const auto grid = grid_candidates(spaces);
  const auto all = random_candidates(spaces, 100, 5);
  CHECK(in_one_line(all) == in_one_line({grid[0], grid[5], grid[4], grid[2], grid[3], grid[1]}));
  CHECK(in_one_line(random_candidates(spaces, 2, 5)) == in_one_line({grid[0], grid[5]}));
}

TEST_CASE("draws of a range are different, inside it, and even on its scale") {
  const SearchSpaces spaces = {{"lr", range(1e-6, 1, true)}};
  const auto drawn = random_candidates(spaces, 300, 1);
  REQUIRE(drawn.size() == 300);
  std::set<std::string> texts;
  int low = 0;
  for (const OptionMap& candidate : drawn) {
    const double value = std::stod(candidate.at("lr"));
    CHECK((value >= 1e-6 && value <= 1));
    low += value < 1e-3 ? 1 : 0;
    texts.insert(candidate.at("lr"));
  }
  CHECK(texts.size() == 300);
  CHECK((low > 120 && low < 180));  // half, give or take 3.5 standard deviations
  const auto whole = random_candidates({{"n", range(2, 4, true, true)}}, 50, 1);
  CHECK(whole.size() == 3);  // 2, 3 and 4; then no new one is found
}

TEST_CASE("trials are the same with and without tune.* keys") {
  const std::string tuned =
      "[tune]\nseed = 7\nbudget = 5\nobjective = \"forgetting\"\nsearch = \"random\"\n" + kEwc +
      "ewc.lambda = 3\ntune.ewc.lambda = [1, 10]\n"
      "tune.train.lr = { from = 1e-5, to = 1e-2, scale = \"log\" }\n";
  const auto with = trials_of(tuned), without = trials_of(kEwc + "ewc.lambda = 3\n");
  REQUIRE(with.size() == 1);
  CHECK(canonical_text(with[0].spec) == canonical_text(without[0].spec));
  CHECK(with[0].label == "ewc");
}

TEST_CASE("only trials on validation rows say so, and they get a table of their own") {
  const auto plain = trials_of(kEwc), said = trials_of("[train]\nevaluate = \"test\"\n" + kEwc);
  CHECK(canonical_text(plain[0].spec) == canonical_text(said[0].spec));
  CHECK(plain[0].spec.training.count("evaluate") == 0);
  CHECK(plain[0].stream_label == "instructions");
  const auto other = trials_of("[train]\nevaluate = \"validation\"\n" + kEwc);
  CHECK(other[0].spec.training.at("evaluate") == "validation");
  CHECK(other[0].stream_label == "instructions (validation rows)");
}

TEST_CASE("a search has each candidate of each method on each stream, on one other seed") {
  const TunePlan plan = plan_of(
      "seeds = [0, 1, 3]\n[stream]\ntest_rows = [40, 50]\n[[method]]\nname = \"finetune\"\n" +
      kEwc + "tune.lambda = [1, 10]\nwhen.test_rows = [40, 50]\n[[method]]\nname = \"si\"\n" +
      "label = \"path\"\nc = 9\nwhen.test_rows = 50\ntune.si.c = [2]\ntrain.evaluate = \"test\"\n");
  Words found;
  for (const TuneTrial& one : plan.trials) {
    CHECK(one.trial.sweep == "s.tune");
    CHECK(one.trial.spec.seed == 2);
    CHECK(one.trial.spec.training.at("evaluate") == "validation");
    found.push_back(one.trial.label + " on " + one.stream.at("test_rows"));
  }
  CHECK(found == Words{"ewc ewc.lambda=1 on 40", "ewc ewc.lambda=10 on 40",
                       "ewc ewc.lambda=1 on 50", "ewc ewc.lambda=10 on 50", "path si.c=2 on 50"});
  CHECK(option(plan.trials[1].trial, 0, "lambda") == "10");
  CHECK(option(plan.trials[4].trial, 0, "c") == "2");
}

TEST_CASE("the command line goes before the section, and --set fixes what it sets") {
  const std::string file = "[tune]\nseed = 7\nbudget = 2\nsearch = \"random\"\n" + kTuned;
  CHECK(plan_of(file).settings.seed == 7);
  CHECK(plan_of(file).trials.size() == 2);
  TuneRequest request;
  request.seed = 8;
  request.search = "grid";
  request.budget = 3;
  request.objective = "learning_accuracy";
  CHECK(plan_of(file, request).settings.seed == 8);
  CHECK(plan_of(file, request).settings.objective == "learning_accuracy");
  CHECK(plan_of(file, request).trials.size() == 3);
  const std::string both = kTuned + "tune.train.lr = [0.1, 0.2]\n";
  CHECK(plan_of(both).trials.size() == 6);
  CHECK(plan_of(both, {}, {"method.ewc.lambda=5"}).trials.size() == 2);
  CHECK(plan_of(both, {}, {"train.lr=5"}).trials.size() == 3);
  CHECK(option(plan_of(both, {}, {"method.ewc.lambda=5"}).trials[0].trial, 0, "lambda") == "5");
}

TEST_CASE("the best candidate is chosen, the first of equals, and never one without a number") {
  const TunePlan plan = plan_of(kEwc + "tune.ewc.lambda = [1, 2, 3, 4, 5]\n");
  const auto& t = plan.trials;
  const std::vector<TrialRecord> records = {
      failed(t[0], "aaaa", "the loss is inf\nat step 3"), finished(t[1], "bbbb", 0.9, 0.6),
      finished(t[2], "cccc", 0.9, 0.8), finished(t[3], "dddd", 0.7, 0.8),
      finished(t[4], "eeee", 0.9, kNotANumber)};
  const Choice choice = only_choice(plan, {records.rbegin(), records.rend()});
  CHECK(choice.higher_is_better);
  CHECK(choice.best == 2U);
  CHECK(*choice.tried[1].score == Approx(0.8));
  CHECK(*choice.tried[2].score == Approx(0.9));
  CHECK_FALSE(choice.tried[0].score);
  CHECK_FALSE(choice.tried[4].score);
  CHECK(lines_of(choice, plan.settings) ==
        Words{"ewc | instructions (validation rows) | decoder: 5 candidates, grid search, seed 0, "
              "by final_average (higher is better)",
              "  ewc.lambda  final_average  trial",
              "  1           -              aaaa not chosen: failed: the loss is inf at step 3",
              "  2           0.8            bbbb", "* 3           0.9            cccc",
              "  4           0.9            dddd",
              "  5           -              eeee not chosen: the trial has no final_average, or it "
              "is no number"});
}

TEST_CASE("a metric that is better low is minimised; without any score nothing is chosen") {
  TuneRequest request;
  request.objective = "forgetting";
  const TunePlan plan = plan_of(kTuned, request);
  const auto& t = plan.trials;
  const Choice least = only_choice(
      plan, {finished(t[0], "a", 0.9, 0.6), finished(t[1], "b", 0.9, 0.9), record_of(t[2], "c")});
  CHECK_FALSE(least.higher_is_better);
  CHECK(least.best == 1U);
  const Choice none = only_choice(plan, {failed(t[0], "a", "bad"), failed(t[1], "b", "bad")});
  CHECK_FALSE(none.best);
  CHECK(none.tried[0].why == "failed: bad");
  CHECK(none.tried[2].why == "the trial did not run");
}

TEST_CASE("tasks that differ in metric name the objectives that there are") {
  const TunePlan plan = plan_of(kEwc + "tune.ewc.lambda = [1]\n");
  TrialRecord record = finished(plan.trials[0], "a", 0.5, 0.5);
  for (Evaluation& cell : record.result.evaluations) {
    if (cell.on_task == 2) cell.metric = {"loss", "nats", false};
  }
  CHECK(only_choice(plan, {record}).tried[0].why ==
        "the tasks differ in metric; choose by final_average:accuracy or final_average:loss");
  TuneRequest request;
  request.objective = "final_average:loss";
  const TunePlan by_loss = plan_of(kEwc + "tune.ewc.lambda = [1]\n", request);
  const Choice choice = only_choice(by_loss, {record});
  CHECK(choice.best == 0U);
  CHECK_FALSE(choice.higher_is_better);
}
