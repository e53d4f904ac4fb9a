// Which rows multi-task training takes, how it mixes them, how many steps it makes, and where it is
// finetune.
#include "tests/catch.h"
// After Catch.
#include <map>

#include "core/sampler.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

std::vector<RowsPtr> planned(const TaskStream& stream, const std::string& tasks, int64_t task) {
  TrainingPlan plan;
  plan.parts.push_back({stream.tasks[static_cast<size_t>(task) - 1].train});
  builtin_methods().at("multitask").make({{"tasks", tasks}})->training_plan(stream, task, plan);
  std::vector<RowsPtr> rows;
  for (const auto& part : plan.parts) rows.push_back(part.rows);
  return rows;
}

std::string weights(TaskStream stream, const std::string& method) {
  const auto model = mlp(6, 8, 2, stream.classes);
  Method strategies = method_of(method);
  return train(small_request(*model, stream, strategies)).weights_digest;
}

TrainingPlan mixed(const TaskStream& stream, const std::string& mixing, int64_t task,
                   const std::string& tasks = "seen") {
  const auto model = mlp(6, 8, 2, stream.classes);
  Arena arena;
  const auto strategy =
      builtin_methods().at("multitask").make({{"tasks", tasks}, {"mixing", mixing}});
  Setup setup{*model, arena, stream, make_generator(1), {}};
  strategy->prepare(setup);
  TrainingPlan plan;
  strategy->training_plan(stream, task, plan);
  return plan;
}

/// Rows of each task (whose ids begin at 100000 times its number) in `batches` batches of `size`.
std::vector<std::map<int64_t, int64_t>> counts(const TrainingPlan& plan, int64_t size,
                                               int64_t batches) {
  Sampler sampler(plan, size, 1);
  std::vector<std::map<int64_t, int64_t>> found;
  for (int64_t b = 0; b < batches; ++b) {
    const Tensor ids = sampler.next().row_ids;
    found.emplace_back();
    for (int64_t i = 0; i < ids.numel(); ++i) ++found.back()[ids[i].item<int64_t>() / 100000];
  }
  return found;
}

std::map<int64_t, int64_t> summed(const std::vector<std::map<int64_t, int64_t>>& batches) {
  std::map<int64_t, int64_t> total;
  for (const auto& batch : batches) {
    for (const auto& [task, count] : batch) total[task] += count;
  }
  return total;
}

int64_t steps_of(const std::string& method, const std::function<void(TrainOptions&)>& change) {
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  const auto model = mlp(6, 8, 2, stream.classes);
  Method strategies = method_of(method);
  TrainRequest request = small_request(*model, stream, strategies);
  change(request.options);
  return train(request).curve.back().step;
}

using Counts = std::map<int64_t, int64_t>;

}  // namespace

TEST_CASE("multitask takes the rows of every task seen so far, joint those of all") {
  const TaskStream stream = random_stream(Scenario::domain_incremental, 3);
  const RowsPtr one = stream.tasks[0].train, two = stream.tasks[1].train,
                three = stream.tasks[2].train;
  CHECK(planned(stream, "seen", 1) == std::vector<RowsPtr>{one});
  CHECK(planned(stream, "seen", 2) == std::vector<RowsPtr>{one, two});
  CHECK(planned(stream, "seen", 3) == std::vector<RowsPtr>{one, two, three});
  CHECK(planned(stream, "all", 1) == std::vector<RowsPtr>{one, two, three});
}

TEST_CASE("multitask on a stream of one task trains exactly as finetune") {
  const TaskStream one = random_stream(Scenario::class_incremental, 1);
  CHECK(weights(one, "multitask") == weights(one, "finetune"));
  const TaskStream two = random_stream(Scenario::class_incremental, 2);
  CHECK(weights(two, "multitask") != weights(two, "finetune"));
  CHECK(weights(two, "joint") != weights(two, "multitask"));
}

TEST_CASE("rows are as likely as each other, or tasks are, or parts are given") {
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  stream.tasks[1].train = random_rows(2, 16, 6, {2, 3});  // of 64, 16 and 64 rows
  CHECK(mixed(stream, "rows", 3).parts[1].share == 0);
  // All 144 rows in nine batches of 16.
  CHECK(summed(counts(mixed(stream, "rows", 3), 16, 9)) == Counts{{1, 64}, {2, 16}, {3, 64}});
  CHECK(summed(counts(mixed(stream, "tasks", 3), 16, 9)) == Counts{{1, 48}, {2, 48}, {3, 48}});
  CHECK(summed(counts(mixed(stream, "1,2,1", 3), 16, 9)) == Counts{{1, 36}, {2, 72}, {3, 36}});
  CHECK(summed(counts(mixed(stream, "3,0,1", 3), 16, 9)) == Counts{{1, 108}, {3, 36}});
  // Parts are of the tasks in the union.
  CHECK(summed(counts(mixed(stream, "1,3,4", 2), 16, 2)) == Counts{{1, 8}, {2, 24}});
  CHECK(summed(counts(mixed(stream, "0,1,1", 1, "all"), 16, 2)) == Counts{{2, 16}, {3, 16}});
}

TEST_CASE("batches of shares are full, and a share of no whole number of rows holds over batches") {
  const TaskStream stream = random_stream(Scenario::class_incremental, 3);
  const auto batches = counts(mixed(stream, "tasks", 3), 4, 30);
  for (const auto& batch : batches) {
    int64_t rows = 0;
    for (const auto& [task, count] : batch) {
      rows += count;
      CHECK(count <= 2);
    }
    CHECK(rows == 4);
  }
  CHECK(summed(batches) == Counts{{1, 40}, {2, 40}, {3, 40}});
  // Less than a row a batch: every tenth batch has one.
  CHECK(summed(counts(mixed(stream, "1,18,1", 3), 2, 50)) == Counts{{1, 5}, {2, 90}, {3, 5}});
}

TEST_CASE("every stage makes as many steps as a task, or as many passes over its union") {
  for (const char* method : {"finetune", "multitask", "joint"}) {
    CHECK(steps_of(method, [](TrainOptions& options) { options.steps = 7; }) == 3 * 7);
  }
  const auto passes = [](TrainOptions& options) {
    options.epochs = 2;
    options.batch = 16;
  };
  // 64 rows a task: 4 batches a pass and task.
  CHECK(steps_of("finetune", passes) == 2 * 4 * 3);
  CHECK(steps_of("multitask", passes) == 2 * 4 * (1 + 2 + 3));
  CHECK(steps_of("joint", passes) == 2 * 4 * (3 + 3 + 3));
}

TEST_CASE("parts that cannot be are refused before any training") {
  const TaskStream stream = random_stream(Scenario::class_incremental, 3);
  CHECK_THROWS_WITH(mixed(stream, "1,2", 1),
                    "multitask: mixing = '1,2' has 2 parts, but stream 'random' has 3 tasks; give "
                    "one a task");
  CHECK_THROWS_WITH(mixed(stream, "1,x,2", 1),
                    "multitask: mixing = '1,x,2' has the part 'x'; expected rows, tasks, or "
                    "numbers from 0 on with commas between them, such as 2,1,1");
  CHECK_THROWS_WITH(mixed(stream, "1,-1,2", 1),
                    "multitask: mixing = '1,-1,2' has the part '-1'; expected rows, tasks, or "
                    "numbers from 0 on with commas between them, such as 2,1,1");
  CHECK_THROWS_WITH(mixed(stream, "0,1,1", 1),
                    "multitask: mixing = '0,1,1' leaves nothing to train in task 1; give it a part "
                    "above 0, or set tasks = all");
  CHECK_THROWS_WITH(
      mixed(stream, "0,0,0", 1, "all"),
      "multitask: mixing = '0,0,0' leaves nothing to train; give a task a part above 0");
}
