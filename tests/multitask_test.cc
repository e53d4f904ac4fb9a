// Which rows multi-task training takes, and where it is finetune.
#include "tests/catch.h"
// After Catch.
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
