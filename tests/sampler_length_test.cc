// Batches of rows of like length.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include <algorithm>
#include <set>

#include "core/sampler.h"
#include "tests/toys.h"

using namespace lethe;

namespace {

/// Row i has 2 + (i * 7 mod 50) tokens.
RowsPtr uneven_texts(int64_t count) {
  std::vector<TextRow> rows;
  for (int64_t i = 0; i < count; ++i) {
    rows.push_back({{5}, std::vector<int64_t>(static_cast<size_t>(1 + i * 7 % 50), 9)});
  }
  return std::make_shared<TextRows>(std::make_shared<WordTokenizer>(std::vector<std::string>{}),
                                    rows, TextRowsOptions{.name = "t"});
}

struct Seen {
  std::vector<int64_t> ids;
  int64_t padding = 0;
  std::vector<int64_t> widths;
};

Seen epoch(bool by_length, uint64_t seed = 1, int64_t count = 203, int64_t batch_size = 4) {
  TrainingPlan plan;
  plan.parts.push_back({uneven_texts(count)});
  Sampler sampler(plan, batch_size, seed, by_length);
  Seen seen;
  for (int64_t b = 0; b < sampler.batches_per_epoch(); ++b) {
    const Batch batch = sampler.next();
    const auto* ids = batch.row_ids.data_ptr<int64_t>();
    seen.ids.insert(seen.ids.end(), ids, ids + batch.rows());
    seen.padding += batch.inputs.numel() - batch.tokens;
    seen.widths.push_back(batch.inputs.size(1));
  }
  return seen;
}

}  // namespace

TEST_CASE("by length an epoch has each row once, little padding and the longest batch first") {
  const Seen sorted = epoch(true), plain = epoch(false);
  CHECK(sorted.ids.size() == 200);
  CHECK(std::set<int64_t>(sorted.ids.begin(), sorted.ids.end()).size() == 200);
  CHECK(sorted.padding * 4 < plain.padding);
  CHECK(sorted.widths.front() == *std::max_element(sorted.widths.begin(), sorted.widths.end()));
  CHECK_FALSE(
      std::is_sorted(sorted.widths.rbegin(), sorted.widths.rend()));  // the rest is shuffled
}

TEST_CASE("the order by length is the seed's, and the dropped rows are those of the plain order") {
  CHECK(epoch(true).ids == epoch(true).ids);
  CHECK(epoch(true, 2).ids != epoch(true).ids);
  const Seen sorted = epoch(true), plain = epoch(false);
  CHECK(std::set<int64_t>(sorted.ids.begin(), sorted.ids.end()) ==
        std::set<int64_t>(plain.ids.begin(), plain.ids.end()));
}

TEST_CASE("plans with shares keep their order") {
  const auto first = [](bool by_length) {
    TrainingPlan plan;
    plan.parts = {{uneven_texts(20), 1}, {uneven_texts(20), 1}};
    Sampler sampler(plan, 4, 1, by_length);
    return sampler.next().inputs;
  };
  CHECK(first(true).equal(first(false)));
}
