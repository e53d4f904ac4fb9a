// Which rows a replay buffer keeps and draws: counts, uniformity, and what it refuses.
#include "tests/catch.h"
// After Catch.
#include <algorithm>
#include <map>
#include <set>

#include "core/memory.h"
#include "core/replay_buffer.h"
#include "tests/replay_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

/// A buffer after `tasks` tasks.
ReplayBuffer filled(const BufferOptions& options, const TaskStream& stream, int64_t tasks,
                    uint64_t seed = 1) {
  ReplayBuffer buffer;
  for (int64_t task = 1; task <= tasks; ++task) {
    buffer.open(stream, task, 50 + static_cast<uint64_t>(task));
    buffer.keep(options, stream, task, seed + 1000 * static_cast<uint64_t>(task));
  }
  buffer.open(stream, tasks + 1, seed);
  return buffer;
}

/// Rows by (task, class) of a plain_stream.
std::map<std::pair<int64_t, int64_t>, int64_t> by_class(const Ids& ids) {
  std::map<std::pair<int64_t, int64_t>, int64_t> counts;
  for (const int64_t id : ids) ++counts[{id / 1000 + 1, id % 1000 % 2}];
  return counts;
}

/// Pearson's statistic of counts that should be equal.
double chi_square(const std::map<int64_t, int64_t>& counts, size_t cells) {
  double total = 0;
  for (const auto& [cell, count] : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(cells);
  double statistic = expected * static_cast<double>(cells - counts.size());
  for (const auto& [cell, count] : counts) {
    statistic += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) /
                 expected;
  }
  return statistic;
}

/// How often each row is in a buffer over many seeds.
std::map<int64_t, int64_t> kept_counts(const BufferOptions& options, const TaskStream& stream,
                                       int64_t tasks, int64_t seeds) {
  std::map<int64_t, int64_t> counts;
  for (int64_t seed = 0; seed < seeds; ++seed) {
    for (const int64_t id : filled(options, stream, tasks, static_cast<uint64_t>(seed)).row_ids()) {
      ++counts[id];
    }
  }
  return counts;
}

const BufferOptions kFiveAClass{5, "class", "class_balanced"};

}  // namespace

TEST_CASE("a budget for each class keeps that many rows of every class of every past task") {
  const TaskStream stream = plain_stream(4, 40);
  const Ids ids = filled(kFiveAClass, stream, 3).row_ids();
  CHECK(std::set<int64_t>(ids.begin(), ids.end()).size() == 30);
  const auto counts = by_class(ids);
  CHECK(counts.size() == 6);
  for (const auto& [group, count] : counts) CHECK(count == 5);
}

TEST_CASE("a balanced total is shared anew when classes come, the first ones take what is left") {
  const TaskStream stream = plain_stream(4, 40);
  const BufferOptions options{20, "total", "class_balanced"};
  using Counts = std::map<std::pair<int64_t, int64_t>, int64_t>;
  CHECK(by_class(filled(options, stream, 1).row_ids()) == Counts{{{1, 0}, 10}, {{1, 1}, 10}});
  CHECK(by_class(filled(options, stream, 2).row_ids()) ==
        Counts{{{1, 0}, 5}, {{1, 1}, 5}, {{2, 0}, 5}, {{2, 1}, 5}});
  CHECK(by_class(filled(options, stream, 3).row_ids()) ==
        Counts{{{1, 0}, 4}, {{1, 1}, 4}, {{2, 0}, 3}, {{2, 1}, 3}, {{3, 0}, 3}, {{3, 1}, 3}});
  // What stays is a part of what was there.
  const Ids two = filled(options, stream, 2).row_ids(),
            three = filled(options, stream, 3).row_ids();
  for (const int64_t id : three) {
    if (id < 2000) CHECK(std::count(two.begin(), two.end(), id) == 1);
  }
}

TEST_CASE("a budget for each task keeps that many of its rows, whatever their classes") {
  const Ids ids = filled({7, "task", "class_balanced"}, plain_stream(3, 40), 2).row_ids();
  CHECK(ids.size() == 14);
  CHECK(std::count_if(ids.begin(), ids.end(), [](int64_t id) { return id < 1000; }) == 7);
}

TEST_CASE("a row of a class is kept as likely as any other of it") {
  // 20 cells less one class total each of two classes: 18 degrees of freedom; 42.3 is the 0.999
  // quantile. A row kept never counts more than once in a buffer, which makes the statistic
  // smaller.
  const TaskStream stream = plain_stream(3, 20);
  const auto counts = kept_counts({5, "class", "class_balanced"}, stream, 1, 2000);
  CHECK(counts.size() == 20);
  CHECK(chi_square(counts, 20) < 42.3);
  // After another task took half of the room, too.
  const auto later = kept_counts({20, "total", "class_balanced"}, stream, 2, 2000);
  CHECK(later.size() == 40);
  CHECK(chi_square(later, 40) < 73.4);
}

TEST_CASE("a reservoir keeps every row of all past tasks as likely as any other") {
  const TaskStream stream = plain_stream(4, 20);
  const BufferOptions options{6, "total", "reservoir"};
  CHECK(filled(options, stream, 1).size() == 6);
  CHECK(filled(options, stream, 3).size() == 6);
  const auto counts = kept_counts(options, stream, 3, 4000);
  CHECK(counts.size() == 60);
  CHECK(chi_square(counts, 60) < 98.3);  // 0.999 quantile, 59 degrees of freedom
  // 4000 buffers of 6 rows: each row 400 times, standard deviation 19.
  for (const auto& [id, count] : counts) CHECK(std::abs(count - 400) < 90);
}

TEST_CASE("offered rows fill the reservoir first and then replace") {
  ReplayBuffer buffer;
  Random random(3);
  for (int64_t id = 0; id < 4; ++id) CHECK(buffer.offer(id, 4, random) == id);
  CHECK(buffer.row_ids() == Ids{0, 1, 2, 3});
  int64_t taken = 0;
  for (int64_t id = 4; id < 4000; ++id) taken += buffer.offer(id, 4, random) ? 1 : 0;
  // The sum of 4 / n over n = 5..4000 is 27.2, its standard deviation 5.
  CHECK(taken > 10);
  CHECK(taken < 45);
  CHECK(buffer.size() == 4);
}

TEST_CASE("what is kept depends on the seed, not on what was drawn") {
  const TaskStream stream = plain_stream(3, 40);
  const auto run = [&](int64_t draws, uint64_t seed) {
    ReplayBuffer buffer;
    for (int64_t task = 1; task <= 2; ++task) {
      buffer.open(stream, task, 9);
      for (int64_t i = 0; task > 1 && i < draws; ++i) buffer.draw(4);
      buffer.keep(kFiveAClass, stream, task, seed);
    }
    return buffer.row_ids();
  };
  CHECK(run(0, 1) == run(3, 1));
  CHECK(run(0, 1) != run(0, 2));
}

TEST_CASE("nothing is kept after the last task or with budget 0") {
  const TaskStream stream = plain_stream(2, 40);
  CHECK(filled(kFiveAClass, stream, 1).size() == 10);
  ReplayBuffer buffer;
  buffer.open(stream, 2, 1);
  buffer.keep(kFiveAClass, stream, 2, 1);
  CHECK(buffer.empty());
  buffer.keep({0, "class", "class_balanced"}, stream, 1, 1);
  CHECK(buffer.empty());
}

TEST_CASE("a draw has distinct slots, each as likely as any other, and says which") {
  const TaskStream stream = plain_stream(3, 40);
  ReplayBuffer buffer = filled({10, "class", "class_balanced"}, stream, 2);
  const Ids ids = buffer.row_ids();
  std::map<int64_t, int64_t> counts;
  for (int i = 0; i < 3000; ++i) {
    const auto drawn = buffer.draw(8);
    REQUIRE(std::set<int64_t>(drawn.slots.begin(), drawn.slots.end()).size() == 8);
    for (size_t row = 0; row < 8; ++row) {
      const int64_t id = drawn.batch.row_ids[static_cast<int64_t>(row)].item<int64_t>();
      REQUIRE(ids[static_cast<size_t>(drawn.slots[row])] == id);
      ++counts[id];
    }
  }
  CHECK(chi_square(counts, 40) < 72.1);  // 0.999 quantile, 39 degrees of freedom
  CHECK(buffer.draw(100).slots.size() == 40);
}

TEST_CASE("the rows of one task are drawn from it alone, in their order where all are wanted") {
  ReplayBuffer buffer = filled(kFiveAClass, plain_stream(4, 40), 3);
  const Ids ids = buffer.row_ids();
  const auto all = buffer.draw_of(2, 10);
  CHECK(all.slots == Ids{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  std::set<int64_t> seen;
  for (int i = 0; i < 50; ++i) {
    const auto some = buffer.draw_of(2, 3);
    REQUIRE(some.slots.size() == 3);
    seen.insert(some.slots.begin(), some.slots.end());
    for (const int64_t slot : some.slots) CHECK(ids[static_cast<size_t>(slot)] / 1000 == 1);
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("a drawn row is its task's row, with the classes of its own task") {
  const TaskStream stream = given_stream({{{{1}, {2}}, {0, 1}, {0, 1}, {0, 1}},
                                          {{{3}, {4}}, {2, 3}, {2, 3}, {2, 3}},
                                          {{{5}}, {0}, {0}, {0}}},
                                         4, Scenario::task_incremental);
  ReplayBuffer buffer = filled({1, "class", "class_balanced"}, stream, 2);
  const Batch batch = buffer.draw(4).batch;
  REQUIRE(batch.rows() == 4);
  for (int64_t row = 0; row < 4; ++row) {
    const int64_t label = batch.targets[row].item<int64_t>();
    CHECK(batch.inputs[row][0].item<float>() == static_cast<float>(label + 1));
    for (int64_t c = 0; c < 4; ++c) {
      CHECK(batch.active[row][c].item<bool>() == (c / 2 == label / 2));
    }
  }
}

TEST_CASE("a buffer read back goes on as the one that was written") {
  const TaskStream stream = plain_stream(4, 40);
  for (const BufferOptions& options : {kFiveAClass, BufferOptions{20, "total", "class_balanced"},
                                       BufferOptions{20, "total", "reservoir"}}) {
    CAPTURE(options.selection);
    ReplayBuffer written = filled(options, stream, 2), read;
    std::map<std::string, Tensor> tensors;
    Archive out(Archive::Direction::write, tensors);
    written.state(out);
    Archive in(Archive::Direction::read, tensors);
    read.state(in);
    for (ReplayBuffer* buffer : {&written, &read}) buffer->open(stream, 3, 8);
    CHECK(written.draw(6).slots == read.draw(6).slots);
    for (ReplayBuffer* buffer : {&written, &read}) buffer->keep(options, stream, 3, 9);
    CHECK(written.row_ids() == read.row_ids());
  }
}

TEST_CASE("a buffer's ids are booked as method state") {
  install_memory_meter();
  const int64_t before = live_bytes(Category::method_state);
  {
    const ReplayBuffer buffer = filled(kFiveAClass, plain_stream(3, 40), 2);
    CHECK(live_bytes(Category::method_state) - before == 20 * 16);
  }
  CHECK(live_bytes(Category::method_state) == before);
}

TEST_CASE("a budget larger than the data is refused with what is there") {
  const TaskStream stream = plain_stream(3, 40);
  CHECK_NOTHROW(check_buffer("replay", {20, "class", "class_balanced"}, stream));
  CHECK_THROWS_WITH(check_buffer("replay", {21, "class", "class_balanced"}, stream),
                    "replay: a budget of 21 rows a class is larger than the data: class 0 of task "
                    "'task1' of stream 'given' has 20 training rows; lower the budget to at most "
                    "20");
  CHECK_THROWS_WITH(check_buffer("gem", {41, "task", "class_balanced"}, stream),
                    "gem: a budget of 41 rows a task is larger than the data: task 'task1' of "
                    "stream 'given' has 40 training rows; lower the budget to at most 40");
  CHECK_NOTHROW(check_buffer("replay", {80, "total", "reservoir"}, stream));
  CHECK_THROWS_WITH(
      check_buffer("replay", {81, "total", "reservoir"}, stream),
      "replay: a budget of 81 rows in total is larger than the data: the tasks before the last of "
      "stream 'given' have 80 training rows; lower the budget to at most 80");
  CHECK_NOTHROW(check_buffer("replay", {0, "class", "class_balanced"}, stream));
}

TEST_CASE("options of a buffer that contradict each other are refused with both") {
  const TaskStream stream = plain_stream(3, 40);
  CHECK_THROWS_WITH(check_buffer("a-gem", {5, "class", "reservoir"}, stream),
                    "a-gem: selection = reservoir keeps all past rows alike, and per = class wants "
                    "a budget for each class; set per = total, or selection = class_balanced");
  CHECK_THROWS_WITH(
      check_buffer("replay", {3, "total", "class_balanced"}, stream),
      "replay: a budget of 3 rows in total is smaller than the 4 classes of the tasks before the "
      "last of stream 'given', and selection = class_balanced keeps a row of each; raise it to at "
      "least 4, or set selection = reservoir");
}
