// GEM's projection against every choice of active constraints, and its two margins.
#include "tests/catch.h"
// After Catch.
#include <rapidcheck.h>

#include <cmath>
#include <limits>

#include "tests/replay_case.h"

using namespace lethe;

namespace {

using Vectors = std::vector<std::vector<double>>;

constexpr int64_t kSize = 6;

/// In the last task but one, after as many past tasks as there are references.
Rehearsal after(int64_t past, const OptionMap& options) {
  OptionMap all = {{"budget", "4"}};
  for (const auto& [key, value] : options) all[key] = value;
  Rehearsal rehearsal(zero_layer(kSize, 1), plain_stream(past + 2, 8), "gem", all);
  for (int64_t task = 1; task <= past; ++task) {
    rehearsal.begin(task);
    rehearsal.end(task);
  }
  rehearsal.begin(past + 1);
  return rehearsal;
}

std::vector<double> projected(Rehearsal& gem, const std::vector<double>& gradient,
                              const Vectors& references) {
  const auto found = gem.rewritten(at::tensor(gradient).to(at::kFloat),
                                   [&](const Batch& batch) {
                                     const auto task = static_cast<size_t>(
                                         batch.row_ids[0].item<int64_t>() / 1000);
                                     return at::tensor(references[task]).to(at::kFloat);
                                   })
                         .to(at::kDouble);
  return {found.data_ptr<double>(), found.data_ptr<double>() + found.numel()};
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

/// g less its part in the span of the chosen references (Gram and Schmidt).
std::vector<double> without(const std::vector<double>& g, const Vectors& references,
                            unsigned chosen) {
  Vectors basis;
  std::vector<double> left = g;
  const auto remove = [](std::vector<double>& from, const std::vector<double>& unit) {
    const double part = dot(from, unit);
    for (size_t i = 0; i < from.size(); ++i) from[i] -= part * unit[i];
  };
  for (size_t k = 0; k < references.size(); ++k) {
    if ((chosen >> k & 1U) == 0) continue;
    std::vector<double> unit = references[k];
    for (const auto& known : basis) remove(unit, known);
    const double length = std::sqrt(dot(unit, unit));
    for (double& x : unit) x /= length;
    basis.push_back(unit);
  }
  for (const auto& unit : basis) remove(left, unit);
  return left;
}

/// The closest to g of all that hold some constraints with equality and keep the others.
std::vector<double> closest(const std::vector<double>& g, const Vectors& references) {
  std::vector<double> best;
  double least = std::numeric_limits<double>::infinity();
  for (unsigned chosen = 0; chosen < 1U << references.size(); ++chosen) {
    const auto candidate = without(g, references, chosen);
    bool kept = true;
    for (const auto& r : references) kept = kept && dot(candidate, r) > -1e-9;
    if (!kept || distance(candidate, g) >= least) continue;
    least = distance(candidate, g);
    best = candidate;
  }
  return best;
}

std::vector<double> drawn() {
  std::vector<double> values;
  for (int64_t i = 0; i < kSize; ++i) {
    values.push_back(static_cast<double>(*rc::gen::inRange(-1000, 1001)) / 256 + 1.0 / 1024);
  }
  return values;
}

}  // namespace

TEST_CASE("gem finds the closest gradient that no past task objects to") {
  CHECK(rc::check([] {
    const auto past = *rc::gen::inRange<int64_t>(1, 5);
    const auto g = drawn();
    Vectors references;
    for (int64_t k = 0; k < past; ++k) references.push_back(drawn());
    Vectors spanned;  // skip those that nearly depend on each other: the test's own basis is poor
    for (const auto& r : references) {
      const auto rest = without(r, spanned, (1U << spanned.size()) - 1);
      RC_PRE(dot(rest, rest) > 1e-2 * dot(r, r));
      spanned.push_back(r);
    }
    auto gem = after(past, {{"margin", "0"}});
    const auto found = projected(gem, g, references);
    RC_ASSERT(distance(found, closest(g, references)) < 1e-5 * (1 + std::sqrt(dot(g, g))));
    bool objected = false;
    for (const auto& r : references) {
      objected = objected || dot(g, r) < 0;
      RC_ASSERT(dot(found, r) > -1e-5 * std::sqrt(dot(g, g) * dot(r, r)));
    }
    if (!objected) RC_ASSERT(distance(found, g) == 0);
  }));
}

TEST_CASE("with one past task and no margin gem is a-gem") {
  auto gem = after(1, {{"margin", "0"}});
  const auto found = projected(gem, {1, -2, 0.5, 0, 0, 0}, {{0.5, 1, -1, 0, 0, 0}});
  CHECK(found[0] == Approx(1.44444444).epsilon(1e-6));
  CHECK(found[1] == Approx(-1.11111111).epsilon(1e-6));
  CHECK(found[2] == Approx(-0.38888889).epsilon(1e-6));
}

TEST_CASE("a margin bounds the weights from below, or is added to them") {
  // Orthogonal references: v = (2, 0) without a margin, since r1.g = -2 and r2.g = 3.
  const std::vector<double> g = {-2, 3, 1, 0, 0, 0};
  const Vectors references = {{1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}};
  auto bound = after(2, {});  // 0.5
  CHECK(distance(projected(bound, g, references), {0, 3.5, 1, 0, 0, 0}) < 1e-6);
  auto added = after(2, {{"margin_as", "added"}});
  CHECK(distance(projected(added, g, references), {0.5, 3.5, 1, 0, 0, 0}) < 1e-6);
  auto wide = after(2, {{"margin", "5"}});
  CHECK(distance(projected(wide, g, references), {3, 8, 1, 0, 0, 0}) < 1e-6);
}

TEST_CASE("a margin moves no gradient to which no past task objects") {
  auto gem = after(2, {{"margin", "5"}});
  const std::vector<double> g = {2, 3, 1, 0, 0, 0};
  CHECK(projected(gem, g, {{1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}}) == g);
}

TEST_CASE("each past task's gradient is taken on its own rows, all or a batch of them") {
  for (const int64_t batch : {0, 3}) {
    auto gem = after(3, {{"batch", std::to_string(batch)}});
    std::vector<int64_t> tasks, counts;
    gem.contribute([&](const Batch& past, Tensor) {
      tasks.push_back(past.row_ids[0].item<int64_t>() / 1000);
      counts.push_back(past.rows());
      for (int64_t i = 0; i < past.rows(); ++i) {
        CHECK(past.row_ids[i].item<int64_t>() / 1000 == tasks.back());
      }
    });
    CHECK(tasks == std::vector<int64_t>{0, 1, 2});
    CHECK(counts == std::vector<int64_t>(3, batch == 0 ? 4 : 3));
  }
}

TEST_CASE("gem keeps one gradient a past task and refuses a budget above the rows of a task") {
  const auto gem = after(3, {});
  CHECK(gem.arena.twins().size() == 4);  // the gradient itself besides
  CHECK_THROWS_WITH(Rehearsal(zero_layer(4, 1), plain_stream(2, 8), "gem", {}),
                    "gem: a budget of 256 rows a task is larger than the data: task 'task1' of "
                    "stream 'given' has 8 training rows; lower the budget to at most 8");
}
