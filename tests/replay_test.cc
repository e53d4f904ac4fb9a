// Experience replay: its weighted loss by hand, masks, which rows it sees, and what it refuses.
#include "tests/catch.h"
// After Catch.
#include <cmath>
#include <map>
#include <set>

#include "tests/replay_case.h"

using namespace lethe;

namespace {

/// -log softmax of the first of two logits.
double entropy(double own, double other) { return std::log1p(std::exp(other - own)); }

/// Three tasks; logits (w0 x, w1 x) with w = (0.5, -0.5).
Rehearsal two_class_case(const OptionMap& options) {
  OptionMap all = {{"per", "total"}, {"selection", "reservoir"}, {"budget", "2"}};
  for (const auto& [key, value] : options) all[key] = value;
  Rehearsal rehearsal(std::make_unique<OneLayer>(at::tensor({0.5F, -0.5F}).view({2, 1})),
                      given_stream({{{{1}, {2}}, {0, 1}, {0, 1}},
                                    {{{3}, {4}}, {0, 1}, {0, 1}},
                                    {{{5}, {6}}, {0, 1}, {0, 1}}},
                                   2),
                      "replay", all);
  rehearsal.begin(1);
  rehearsal.end(1);
  return rehearsal;
}

// Rows x = 1, label 0 and x = 2, label 1; the current row x = 3, label 0.
const double kReplay = (entropy(0.5, -0.5) + entropy(-1, 1)) / 2, kCurrent = entropy(1.5, -1.5);

double extra(Rehearsal& rehearsal, int64_t task, double weight = 0) {
  Batch batch = rehearsal.stream.tasks[1].train->batch({0});
  if (weight > 0) batch.weights = at::full({1}, weight, at::kFloat);
  return rehearsal.extra(task, batch).item<double>();
}

OptionMap weights(const std::string& name) { return {{"weights", name}}; }

/// A layer that notes which rows it was trained on.
class Noting : public OneLayer {
 public:
  explicit Noting(std::set<int64_t>& seen) : OneLayer(at::zeros({6, 6})), seen_(seen) {}
  Tensor forward(const Batch& batch) override {
    for (int64_t row = 0; training_ && row < batch.rows(); ++row) {
      seen_.insert(batch.row_ids[row].item<int64_t>());
    }
    return OneLayer::forward(batch);
  }

 private:
  std::set<int64_t>& seen_;
};

/// Forwards a method and forgets what was seen before each task; `by_task` gets what each saw.
class Watching : public Strategy {
 public:
  Watching(std::set<int64_t>& seen, std::map<int64_t, std::set<int64_t>>& by_task)
      : seen_(seen), by_task_(by_task) {}
  void before_task(const TaskBegin&) override { seen_.clear(); }
  void after_task(const TaskEnd& end) override { by_task_[end.task] = seen_; }

 private:
  std::set<int64_t>& seen_;
  std::map<int64_t, std::set<int64_t>>& by_task_;
};

std::map<int64_t, std::set<int64_t>> seen_rows(const OptionMap& options) {
  std::set<int64_t> seen;
  std::map<int64_t, std::set<int64_t>> by_task;
  Noting model(seen);
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  Method method = method_of("replay", options);
  method.names.push_back("watching");
  method.strategies.push_back(std::make_unique<Watching>(seen, by_task));
  train(small_request(model, stream, method));
  return by_task;
}

int64_t rows_of_task(const std::set<int64_t>& ids, int64_t task) {
  const int64_t first = task * 100000;  // random_rows counts from its seed, which is the task
  return std::distance(ids.lower_bound(first), ids.lower_bound(first + 100000));
}

}  // namespace

TEST_CASE("replay weighs the losses by the tasks' share, in halves or as one batch") {
  auto shared = two_class_case(weights("task_share"));
  shared.begin(2);
  CHECK(kCurrent + extra(shared, 2) == Approx(kCurrent / 2 + kReplay / 2).epsilon(1e-6));
  CHECK(kCurrent + extra(shared, 3) == Approx(kCurrent / 3 + 2 * kReplay / 3).epsilon(1e-6));
  auto equal = two_class_case(weights("equal"));
  equal.begin(3);
  CHECK(kCurrent + extra(equal, 3) == Approx(kCurrent / 2 + kReplay / 2).epsilon(1e-6));
  auto joined = two_class_case(weights("concatenated"));
  joined.begin(2);
  CHECK(kCurrent + extra(joined, 2) == Approx((kCurrent + 2 * kReplay) / 3).epsilon(1e-6));
  // A row of weight 4 counts as four rows of the one batch.
  CHECK(kCurrent + extra(joined, 2, 4) == Approx((4 * kCurrent + 2 * kReplay) / 6).epsilon(1e-6));
}

TEST_CASE("the gradient of a concatenated loss is that of one batch of all rows") {
  auto one = two_class_case(weights("concatenated"));
  one.begin(2);
  const Batch batch = one.stream.tasks[1].train->batch({0, 1});
  const Tensor weight = one.arena.ranges()[0].parameter;
  const Tensor loss = task_loss(one.model->forward(batch), batch) + one.extra(2, batch);
  const Tensor found = torch::autograd::grad({loss}, {weight})[0];
  Batch all = batch;
  all.inputs = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({4, 1});
  all.targets = at::tensor({0L, 1L, 0L, 1L});
  const Tensor expected =
      torch::autograd::grad({task_loss(one.model->forward(all), all)}, {weight})[0];
  CHECK((found - expected).abs().max().item<double>() < 1e-6);
}

TEST_CASE("nothing is replayed in the first task or with budget 0") {
  auto first = two_class_case({});
  Rehearsal fresh(zero_layer(2, 1), first.stream, "replay",
                  {{"budget", "2"}, {"per", "total"}, {"selection", "reservoir"}});
  fresh.begin(1);
  const Batch batch = fresh.stream.tasks[0].train->batch({0});
  CHECK_FALSE(fresh.extra(1, batch).defined());
  Rehearsal off(zero_layer(2, 1), first.stream, "replay", {{"budget", "0"}});
  off.begin(1);
  off.end(1);
  off.begin(2);
  CHECK_FALSE(off.extra(2, batch).defined());
}

TEST_CASE("a replayed row is judged among its own task's classes") {
  const TaskStream stream = given_stream(
      {{{{1}}, {0}, {0, 1}, {0, 1}}, {{{1}}, {2}, {2, 3}, {2, 3}}}, 4, Scenario::task_incremental);
  Rehearsal masked(std::make_unique<OneLayer>(at::tensor({1.0F, 2.0F, 9.0F, 4.0F}).view({4, 1})),
                   stream, "replay",
                   {{"budget", "1"}, {"per", "total"}, {"selection", "reservoir"}});
  masked.begin(1);
  masked.end(1);
  masked.begin(2);
  const double found = masked.extra(2, stream.tasks[1].train->batch({0})).item<double>();
  CHECK(found == Approx((entropy(1, 2) - entropy(9, 4)) / 2).epsilon(1e-6));
}

TEST_CASE("replay has as many rows a step as asked for") {
  std::set<int64_t> seen;
  Rehearsal some(std::make_unique<Noting>(seen), random_stream(Scenario::class_incremental, 3),
                 "replay", {{"budget", "16"}, {"batch", "5"}});
  some.begin(1);
  some.end(1);
  some.begin(2, 32);
  const Batch batch = some.stream.tasks[1].train->batch({0});
  some.model->train(true);
  some.extra(2, batch);
  CHECK(rows_of_task(seen, 1) == 5);
  seen.clear();
  Rehearsal same(std::make_unique<Noting>(seen), random_stream(Scenario::class_incremental, 3),
                 "replay", {{"budget", "16"}});
  same.begin(1);
  same.end(1);
  same.begin(2, 12);
  same.model->train(true);
  same.extra(2, batch);
  CHECK(rows_of_task(seen, 1) == 12);
}

TEST_CASE("replay sees kept rows of past tasks and never a future one") {
  const auto past = seen_rows({{"budget", "3"}});
  CHECK(rows_of_task(past.at(1), 1) == static_cast<int64_t>(past.at(1).size()));
  CHECK(rows_of_task(past.at(2), 1) == 6);
  CHECK(rows_of_task(past.at(2), 3) == 0);
  CHECK(rows_of_task(past.at(3), 1) == 6);
  CHECK(rows_of_task(past.at(3), 2) == 6);
  CHECK(rows_of_task(past.at(3), 3) > 20);
}

TEST_CASE("a reservoir filled by steps holds trained rows of past and present tasks") {
  OptionMap options = {{"budget", "2"},
                       {"per", "total"},
                       {"selection", "reservoir"},
                       {"fill", "steps"},
                       {"weights", "equal"}};
  auto steps = two_class_case(options);
  // two_class_case trained on nothing, so that nothing is kept.
  steps.begin(2);
  const Batch batch = steps.stream.tasks[1].train->batch({0});
  CHECK_FALSE(steps.extra(2, batch).defined());
  // Now the row itself is replayed: the same loss.
  CHECK(steps.extra(2, batch).item<double>() == Approx(0).margin(1e-7));
  options["budget"] = "8";
  const auto seen = seen_rows(options);
  CHECK(rows_of_task(seen.at(1), 2) == 0);
  CHECK(rows_of_task(seen.at(2), 3) == 0);
  CHECK(rows_of_task(seen.at(2), 1) > 0);
}

TEST_CASE("replay refuses what contradicts it before any training") {
  const TaskStream stream = plain_stream(2, 8);
  const auto made = [&](const OptionMap& options) {
    Rehearsal(zero_layer(4, 1), stream, "replay", options);
  };
  CHECK_THROWS_WITH(made({}),
                    "replay: a budget of 100 rows a class is larger than the data: class 0 of task "
                    "'task1' of stream 'given' has 4 training rows; lower the budget to at most 4");
  CHECK_THROWS_WITH(made({{"budget", "2"}, {"fill", "steps"}}),
                    "replay: fill = steps offers rows one by one, and selection = class_balanced "
                    "chooses from a whole task; set selection = reservoir, or fill = task_end");
  CHECK_THROWS_WITH(parse_method(builtin_methods(), "replay+multitask", {}),
                    "method 'replay+multitask' has two strategies of role data, 'replay' and "
                    "'multitask'; keep one");
  CHECK_THROWS_WITH(parse_method(builtin_methods(), "a-gem+replay", {}),
                    "method 'a-gem+replay' has two strategies of role data, 'a-gem' and 'replay'; "
                    "keep one");
  CHECK_THROWS_WITH(
      parse_method(builtin_methods(), "joint+der", {}),
      "method 'joint+der' has two strategies of role data, 'multitask' and 'derpp'; keep one");
}

TEST_CASE("text rows are replayed, with a budget for each task") {
  TaskStream stream;
  stream.name = "words";
  for (int64_t t = 0; t < 2; ++t) {
    const RowsPtr rows = random_rows(static_cast<uint64_t>(t) + 1, 10, 2, {0, 1});
    stream.tasks.push_back(vector_task("task" + std::to_string(t + 1), rows, {}));
  }
  CHECK_THROWS_WITH(Rehearsal(zero_layer(2, 2), stream, "replay", {{"budget", "11"}}),
                    "replay: a budget of 11 rows a task is larger than the data: task 'task1' of "
                    "stream 'words' has 10 training rows; lower the budget to at most 10");
  Rehearsal words(zero_layer(2, 2), stream, "replay", {{"budget", "4"}});
  words.begin(1);
  words.end(1);
  words.begin(2);
  CHECK(words.extra(2, stream.tasks[1].train->batch({0})).defined());
}
