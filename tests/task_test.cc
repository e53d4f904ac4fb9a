#include "core/task.h"

#include "core/error.h"
#include "core/image_rows.h"
#include "tests/catch.h"

using lethe::Batch;
using lethe::TaskStream;

namespace {

/// Images of one pixel each, with these brightnesses and labels 0.
lethe::RowsPtr rows(int64_t first_id, std::vector<uint8_t> pixels, int64_t label = 0) {
  const auto count = static_cast<int64_t>(pixels.size());
  const std::vector<uint8_t> labels(pixels.size(), 0);
  const auto images = std::make_shared<const lethe::ImageSet>(1, 1, std::move(pixels), labels);
  lethe::ImageView view;
  view.class_of = {label};
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i);
  return std::make_shared<const lethe::ImageRows>(first_id, images, view, indices);
}

TaskStream stream_of(std::vector<lethe::Task> tasks) {
  TaskStream stream;
  stream.name = "made";
  stream.classes = 2;
  stream.tasks = std::move(tasks);
  return stream;
}

lethe::Task task(const std::string& name, lethe::RowsPtr train, lethe::RowsPtr validation,
                 lethe::RowsPtr test) {
  return {name, {"accuracy", "fraction", true}, train, validation, test, {0, 1}};
}

}  // namespace

TEST_CASE("in_batches covers every row in order, the last batch smaller") {
  CHECK(lethe::in_batches(5, 2) == std::vector<std::vector<int64_t>>{{0, 1}, {2, 3}, {4}});
  CHECK(lethe::in_batches(0, 2).empty());
  CHECK(lethe::in_batches(2, 9) == std::vector<std::vector<int64_t>>{{0, 1}});
  CHECK_THROWS_WITH(lethe::in_batches(5, 0), "a batch of 0 rows is impossible; choose at least 1");
}

TEST_CASE("a batch moves with all that is defined and nothing more") {
  Batch batch = rows(40, {1, 2})->batch({0, 1});
  batch.weights = at::ones({2});
  batch.tokens = 3;
  const Batch moved = batch.to(at::kMeta);
  CHECK(moved.inputs.is_meta());
  CHECK(moved.targets.is_meta());
  CHECK(moved.row_ids.is_meta());
  CHECK(moved.weights.is_meta());
  CHECK_FALSE(moved.active.defined());
  CHECK_FALSE(moved.mask.defined());
  CHECK(moved.tokens == 3);
  CHECK(batch.inputs.is_cpu());
}

TEST_CASE("a stream whose tasks are sound passes without a word") {
  TaskStream stream = stream_of({task("a", rows(0, {1, 2}), rows(10, {3}), rows(20, {4, 5}))});
  lethe::check_stream(stream);
  CHECK(stream.warnings.empty());
}

TEST_CASE("a stream without tasks, a split without rows and an empty probe are refused") {
  TaskStream none = stream_of({});
  CHECK_THROWS_WITH(lethe::check_stream(none), "stream 'made' has no tasks");
  TaskStream missing = stream_of({task("a", rows(0, {1}), nullptr, rows(20, {4}))});
  CHECK_THROWS_WITH(lethe::check_stream(missing),
                    "stream 'made', task 'a' has no validation rows; every task needs training, "
                    "validation and test rows");
  TaskStream empty = stream_of({task("a", rows(0, {1}), rows(10, {2}), rows(20, {}))});
  CHECK_THROWS_WITH(
      lethe::check_stream(empty),
      "stream 'made', task 'a' has no test rows; every task needs training, validation "
      "and test rows");
  TaskStream probed = stream_of({task("a", rows(0, {1}), rows(10, {2}), rows(20, {3}))});
  probed.probes.push_back({"base", {}, rows(30, {})});
  CHECK_THROWS_WITH(lethe::check_stream(probed), "stream 'made', probe 'base' has no rows");
}

TEST_CASE("a label outside the task's classes names task, split and row") {
  TaskStream stream = stream_of({task("a", rows(0, {1}), rows(10, {2}), rows(20, {3, 4}, 7))});
  CHECK_THROWS_WITH(lethe::check_stream(stream),
                    "stream 'made', task 'a': test row 0 has label 7, expected one of the task's "
                    "classes 0, 1");
  TaskStream wide = stream_of({task("a", rows(0, {1}), rows(10, {2}), rows(20, {3}))});
  wide.tasks[0].classes = {0, 2};
  CHECK_THROWS_WITH(lethe::check_stream(wide),
                    "stream 'made', task 'a' has class 2, expected 0 to 1");
}

TEST_CASE("masks without classes, and of another width than the classes, are refused") {
  for (const auto& [scenario, word] : {std::pair{lethe::Scenario::task_incremental, "task"},
                                       {lethe::Scenario::class_incremental, "class"}}) {
    TaskStream stream = stream_of({task("a", rows(0, {1}), rows(10, {2}), rows(20, {3}))});
    stream.tasks[0].classes.clear();
    CHECK_NOTHROW(lethe::check_masks(stream));
    stream.scenario = scenario;
    const std::string said = std::string("stream 'made' is ") + word +
                             "-incremental, but task 'a' has no classes that could be masked; give "
                             "it classes, or make the stream domain-incremental";
    CHECK_THROWS_WITH(lethe::check_masks(stream), said);
    CHECK_THROWS_WITH(lethe::check_stream(stream), said);
  }
}

TEST_CASE("rows that training shares with validation or test are counted, across tasks too") {
  TaskStream stream =
      stream_of({task("a", rows(0, {1, 2, 3}), rows(10, {3}), rows(20, {4, 5})),
                 task("b", rows(30, {5, 6}), rows(40, {7}), rows(50, {6, 5, 8, 1}))});
  lethe::check_stream(stream);
  const std::string end = "; scores on them measure memory";
  CHECK(stream.warnings ==
        std::vector<std::string>{
            "task 'a': 1 of 1 validation rows also stand among the training rows of task 'a'" + end,
            "task 'a': 1 of 2 test rows also stand among the training rows of task 'b'" + end,
            "task 'b': 1 of 4 test rows also stand among the training rows of task 'a'" + end,
            "task 'b': 2 of 4 test rows also stand among the training rows of task 'b'" + end});
}
