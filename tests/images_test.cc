#include "experiments/streams/images.h"

#include <cmath>
#include <set>

#include "core/image_rows.h"
#include "tests/catch.h"
#include "tests/image_set.h"

using lethe::Batch;
using lethe::PermutedOptions;
using lethe::RotatedOptions;
using lethe::Scenario;
using lethe::SplitOptions;
using lethe::TaskStream;
using lethe::Tensor;

namespace {

std::vector<int64_t> all(int64_t n) { return lethe::in_batches(n, n).at(0); }
Batch everything(const lethe::RowsPtr& rows) { return rows->batch(all(rows->size())); }

std::vector<int64_t> longs(const Tensor& tensor) {
  const Tensor whole = tensor.to(at::kLong).contiguous();
  return {whole.data_ptr<int64_t>(), whole.data_ptr<int64_t>() + whole.numel()};
}
std::vector<float> floats(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), tensor.data_ptr<float>() + tensor.numel()};
}

std::vector<std::string> names(const TaskStream& stream) {
  std::vector<std::string> all_names;
  for (const lethe::Task& task : stream.tasks) all_names.push_back(task.name);
  return all_names;
}

std::set<int> numbers(const lethe::RowsPtr& rows) {
  std::set<int> seen;
  const Tensor inputs = everything(rows).inputs;
  for (int64_t row = 0; row < rows->size(); ++row) {
    seen.insert(static_cast<int>(std::lround(floats(inputs)[row * 6] * 255)));
  }
  return seen;
}

}  // namespace

TEST_CASE("split with seed 0 deals the classes in order, other seeds in their own") {
  const Scratch scratch;
  write_set(scratch);
  const auto chosen = options<SplitOptions>(scratch, "class");
  CHECK(names(lethe::make_split_stream(chosen, 0)) ==
        std::vector<std::string>{"0/1", "2/3", "4/5", "6/7", "8/9"});
  CHECK(names(lethe::make_split_stream(chosen, 1)) == names(lethe::make_split_stream(chosen, 1)));
  CHECK(names(lethe::make_split_stream(chosen, 1)) != names(lethe::make_split_stream(chosen, 2)));
}

TEST_CASE("split holds out validation rows, and splits and tasks share nothing") {
  const Scratch scratch;
  write_set(scratch);
  TaskStream stream = lethe::make_split_stream(options<SplitOptions>(scratch, "class"), 3);
  CHECK(stream.features == 6);
  std::set<int> seen;
  std::set<int64_t> ids;
  for (const lethe::Task& task : stream.tasks) {
    CHECK(task.train->size() == 10);
    CHECK(task.validation->size() == 2);
    CHECK(task.test->size() == 4);
    CHECK(task.metric.name == "accuracy");
    for (const lethe::RowsPtr& rows : {task.train, task.validation, task.test}) {
      seen.merge(numbers(rows));
      for (const int64_t id : longs(everything(rows).row_ids)) ids.insert(id);
    }
  }
  CHECK(seen.size() == 80);
  CHECK(ids.size() == 80);
  CHECK(stream.tasks[1].test->first_id() == (int64_t{1} << 32) + (int64_t{2} << 30));
  lethe::check_stream(stream);
  CHECK(stream.warnings.empty());
}

TEST_CASE("pixels are divided by 255 and rows come in the order asked for") {
  const Scratch scratch;
  write_set(scratch);
  const TaskStream stream = lethe::make_split_stream(options<SplitOptions>(scratch, "class"), 0);
  const Batch batch = stream.tasks[0].test->batch({2, 0});  // test images 70 and 60
  CHECK(floats(batch.inputs) == std::vector<float>{70 / 255.0F, 0, 1, 0.2F, 0, 7 / 255.0F,  //
                                                   60 / 255.0F, 0, 1, 0.2F, 0, 7 / 255.0F});
  CHECK(longs(batch.targets) == std::vector<int64_t>{0, 0});
  CHECK(longs(batch.row_ids) == std::vector<int64_t>{(int64_t{2} << 30) + 2, int64_t{2} << 30});
  CHECK(batch.tokens == 0);
  CHECK_FALSE(batch.mask.defined());
  CHECK_FALSE(batch.positions.defined());
}

TEST_CASE("split in the class-incremental scenario has ten outputs, all of them active") {
  const Scratch scratch;
  write_set(scratch);
  const TaskStream stream = lethe::make_split_stream(options<SplitOptions>(scratch, "class"), 0);
  CHECK(stream.classes == 10);
  CHECK(stream.scenario == Scenario::class_incremental);
  const Batch batch = everything(stream.tasks[1].test);
  CHECK(longs(batch.targets) == std::vector<int64_t>{2, 3, 2, 3});
  CHECK_FALSE(batch.active.defined());
}

TEST_CASE("split in the task-incremental scenario activates the task's classes") {
  const Scratch scratch;
  write_set(scratch);
  const TaskStream stream = lethe::make_split_stream(options<SplitOptions>(scratch, "task"), 0);
  CHECK(stream.classes == 10);
  CHECK(stream.tasks[1].classes == std::vector<int64_t>{2, 3});
  const Batch batch = stream.tasks[1].test->batch({0, 1});
  CHECK(longs(batch.targets) == std::vector<int64_t>{2, 3});
  CHECK(longs(batch.active) == std::vector<int64_t>{0, 0, 1, 1, 0, 0, 0, 0, 0, 0,  //
                                                    0, 0, 1, 1, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("split in the domain-incremental scenario has an output for each position in the task") {
  const Scratch scratch;
  write_set(scratch);
  const TaskStream stream = lethe::make_split_stream(options<SplitOptions>(scratch, "domain"), 0);
  CHECK(stream.classes == 2);
  CHECK(stream.tasks[4].classes == std::vector<int64_t>{0, 1});
  CHECK(longs(everything(stream.tasks[4].test).targets) == std::vector<int64_t>{0, 1, 0, 1});
  CHECK_FALSE(everything(stream.tasks[4].test).active.defined());
}

TEST_CASE("permuted tasks show the same images with their pixels in another order") {
  const Scratch scratch;
  write_set(scratch);
  auto chosen = options<PermutedOptions>(scratch, "domain");
  chosen.tasks = 3;
  const TaskStream stream = lethe::make_permuted_stream(chosen, 5);
  CHECK(stream.classes == 10);
  const std::vector<float> stored = floats(everything(stream.tasks[0].test).inputs);
  CHECK(stored[0] == 60 / 255.0F);
  std::set<std::vector<float>> orders;
  for (const lethe::Task& task : stream.tasks) {
    const std::vector<float> seen = floats(everything(task.test).inputs);
    orders.insert(seen);
    for (int row = 0; row < 20; ++row) {
      CHECK(std::multiset<float>(seen.begin() + row * 6, seen.begin() + row * 6 + 6) ==
            std::multiset<float>(stored.begin() + row * 6, stored.begin() + row * 6 + 6));
    }
    CHECK(longs(everything(task.test).targets) == longs(everything(stream.tasks[0].test).targets));
  }
  CHECK(orders.size() == 3);
  CHECK(stream.tasks[0].test->fingerprint(0) != stream.tasks[1].test->fingerprint(0));
}

TEST_CASE("pad puts zeros around every image before its pixels are permuted or turned") {
  const Scratch scratch;
  write_set(scratch);
  auto chosen = options<PermutedOptions>(scratch, "domain");
  chosen.tasks = 2;
  const std::vector<float> bare =
      floats(everything(lethe::make_permuted_stream(chosen, 5).tasks[0].test).inputs);
  chosen.pad = 1;
  const TaskStream stream = lethe::make_permuted_stream(chosen, 5);
  CHECK(stream.features == 4 * 5);
  const Tensor first = everything(stream.tasks[0].test).inputs;
  CHECK(first.sizes() == at::IntArrayRef({20, 20}));
  const std::vector<float> seen = floats(first),
                           other = floats(everything(stream.tasks[1].test).inputs);
  bool reached_border = false;
  for (int pixel = 0; pixel < 20; ++pixel) {
    const int row = pixel / 5 - 1, column = pixel % 5 - 1;
    const bool inside = row >= 0 && row < 2 && column >= 0 && column < 3;
    CHECK(seen[3 * 20 + pixel] == (inside ? bare[3 * 6 + row * 3 + column] : 0));
    reached_border = reached_border || (!inside && other[3 * 20 + pixel] != 0);
  }
  CHECK(reached_border);
  CHECK(std::multiset<float>(seen.begin(), seen.begin() + 20) ==
        std::multiset<float>(other.begin(), other.begin() + 20));
}

TEST_CASE("an image held out in one permuted task is trained on in none") {
  const Scratch scratch;
  write_set(scratch);
  const auto chosen = options<RotatedOptions>(scratch, "domain");
  const TaskStream stream = lethe::make_rotated_stream(chosen, 5);
  const std::vector<int64_t> held_out = longs(everything(stream.tasks[0].validation).targets);
  for (const lethe::Task& task : stream.tasks) {
    CHECK(longs(everything(task.validation).targets) == held_out);
  }
}

TEST_CASE("permuted and rotated have ten outputs a task where classes are told apart by task") {
  const Scratch scratch;
  write_set(scratch);
  auto chosen = options<PermutedOptions>(scratch, "class");
  chosen.tasks = 3;
  const TaskStream by_class = lethe::make_permuted_stream(chosen, 1);
  CHECK(by_class.classes == 30);
  CHECK(longs(by_class.tasks[2].test->batch({4}).targets) == std::vector<int64_t>{24});
  CHECK_FALSE(by_class.tasks[2].test->batch({4}).active.defined());
  auto turned = options<RotatedOptions>(scratch, "task");
  turned.tasks = 2;
  const TaskStream by_task = lethe::make_rotated_stream(turned, 1);
  CHECK(by_task.classes == 20);
  CHECK(names(by_task) == std::vector<std::string>{"0 degrees", "90 degrees"});
  std::vector<int64_t> second(20, 0);
  std::fill(second.begin() + 10, second.end(), 1);
  CHECK(longs(by_task.tasks[1].test->batch({4}).active) == second);
}

TEST_CASE("train_rows and test_rows limit the rows, the test rows alike for every seed") {
  const Scratch scratch;
  write_set(scratch);
  auto chosen = options<SplitOptions>(scratch, "class");
  chosen.tasks = 1;
  chosen.train_rows = 7;
  chosen.test_rows = 5;
  const lethe::Task one = lethe::make_split_stream(chosen, 0).tasks[0];
  const lethe::Task two = lethe::make_split_stream(chosen, 9).tasks[0];
  CHECK(one.train->size() == 7);
  CHECK(one.test->size() == 5);
  CHECK(numbers(one.train) != numbers(two.train));
  CHECK(numbers(one.test) == numbers(two.test));
}

TEST_CASE("a quarter turn is counter-clockwise and exact, an eighth is bilinear") {
  const auto images = std::make_shared<const lethe::ImageSet>(
      2, 2, std::vector<uint8_t>{255, 0, 51, 102}, std::vector<uint8_t>{0});
  const auto turned = [&](double degrees) {
    lethe::ImageView view;
    view.class_of = {0};
    view.pixels = std::make_shared<const lethe::PixelMap>(lethe::rotated_pixels(2, 2, degrees));
    return floats(lethe::ImageRows(0, images, view, {0}).batch({0}).inputs);
  };
  // 1  0       0   .4
  // .2 .4  to  1   .2
  const std::vector<float> quarter = {0, 0.4F, 1, 0.2F}, half = {0.4F, 0.2F, 0, 1};
  for (int p = 0; p < 4; ++p) {
    CHECK(turned(90)[p] == Approx(quarter[p]).margin(1e-6));
    CHECK(turned(180)[p] == Approx(half[p]).margin(1e-6));
  }
  // Top left is taken from (0.5, 0.5 - sqrt(0.5)) in columns and rows: a half each of the upper
  // two, and sqrt(0.5) - 0.5 of their weight lies outside.
  const double inside = 1.5 - std::sqrt(0.5);
  CHECK(turned(45)[0] == Approx(inside * (1 + 0) / 2).epsilon(1e-5));
}
