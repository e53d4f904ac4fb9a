#include "analysis/report_samples.h"

#include <catch2/catch.hpp>

namespace lethe {
namespace {

TEST_CASE("rows that were learned and then lost are shown first", "[report]") {
  const auto row = [](int64_t number, std::vector<std::string> by_stage) {
    std::vector<Sample> samples;
    for (size_t i = 0; i < by_stage.size(); ++i) {
      samples.push_back({static_cast<int64_t>(i), 1, number, "p", "yes", by_stage[i]});
    }
    return samples;
  };
  std::vector<Sample> samples;
  for (const auto& rows :
       {row(0, {"yes", "yes", "yes"}), row(1, {"no", "no", "no"}), row(2, {"no", "yes", " yes\n"}),
        row(3, {"yes", "yes", "no"}), row(4, {"no", "yes", "no"})}) {
    samples.insert(samples.end(), rows.rbegin(), rows.rend());
  }
  const auto chosen = choose_samples(samples, 9);
  REQUIRE(chosen.size() == 5);
  const std::vector<std::pair<int64_t, std::string>> expected = {
      {4, "wrong before, right after learning, lost later"},
      {3, "right after learning, lost later"},
      {2, "wrong before, right after learning, not lost"},
      {1, "not learned"},
      {0, "right throughout"}};
  for (size_t i = 0; i < 5; ++i) {
    CHECK(chosen[i].row == expected[i].first);
    CHECK(fate_text(chosen[i].fate) == expected[i].second);
    CHECK(chosen[i].stages[0].after_task == 0);
  }
  CHECK(choose_samples(samples, 2).size() == 2);
}

TEST_CASE("a row that was not seen right after its task counts as not learned when wrong",
          "[samples]") {
  const auto chosen =
      choose_samples({{0, 2, 5, "p", "yes", "yes"}, {3, 2, 5, "p", "yes", "no"}}, 1);
  REQUIRE(chosen.size() == 1);
  CHECK(chosen[0].fate == Fate::never_learned);
}

TEST_CASE("every task has its own share of the samples", "[samples]") {
  std::vector<Sample> samples;
  for (int64_t task : {2, 1}) {
    for (int64_t row = 0; row < 3; ++row) samples.push_back({task, task, row, "p", "a", "a"});
  }
  const auto chosen = choose_samples(samples, 2);
  REQUIRE(chosen.size() == 4);
  CHECK(chosen[0].on_task == 1);
  CHECK(chosen[3].on_task == 2);
  CHECK(chosen[3].row == 1);
}

}  // namespace
}  // namespace lethe
