// Offline EWC's one importance and one anchor against the sum of separate penalties, at random.
#include "tests/catch.h"
// After Catch.
#include <rapidcheck.h>

#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

constexpr int64_t kWeights = 6;
constexpr double kLambda = 3;

struct Past {
  std::vector<double> fisher;
  std::vector<float> anchor;
};

double between(double low, double high) {
  return low + (high - low) * *rc::gen::inRange(0, 1000001) / 1e6;
}

/// One to five tasks; importances from 1e-6 to `largest`, anchors from -2 to 2.
std::vector<Past> random_past(double largest) {
  std::vector<Past> past(static_cast<size_t>(*rc::gen::inRange(1, 6)));
  for (Past& task : past) {
    for (int64_t i = 0; i < kWeights; ++i) {
      task.fisher.push_back(std::pow(10.0, between(-6, std::log10(largest))));
      task.anchor.push_back(static_cast<float>(between(-2, 2)));
    }
    task.fisher[0] = largest;
  }
  return past;
}

/// The rounding of the row that gives an importance is not what is tested.
double rounded(double fisher) {
  const auto x = static_cast<float>(2 * std::sqrt(fisher));
  return static_cast<double>(x) * static_cast<double>(x) / 4;
}

struct Collapsed {
  double importance = 0, anchor = 0;
};

/// The one importance and anchor that weight i's past ones come down to.
Collapsed collapsed(const std::vector<Past>& past, size_t i) {
  double importance = 0, weighted = 0;
  for (const Past& task : past) {
    importance += rounded(task.fisher[i]);
    weighted += rounded(task.fisher[i]) * task.anchor[i];
  }
  return {importance, weighted / importance};
}

/// What the separate penalties exceed the collapsed one by, in double precision.
double constant_of(const std::vector<Past>& past) {
  double sum = 0;
  for (size_t i = 0; i < kWeights; ++i) {
    const auto [importance, anchor] = collapsed(past, i);
    for (const Past& task : past) {
      sum += rounded(task.fisher[i]) * std::pow(task.anchor[i] - anchor, 2);
    }
  }
  return kLambda / 2 * sum;
}

/// Float32 rounds a distance by half a unit of the larger of its ends, which beside an anchor is
/// much of the distance: what that makes of the sum at most.
double rounding(const std::vector<Past>& past, const std::vector<float>& point) {
  double sum = 0;
  for (size_t i = 0; i < kWeights; ++i) {
    const auto [importance, anchor] = collapsed(past, i);
    const double distance = std::abs(point[i] - anchor);
    const double error = 4 * std::pow(2.0, -24) * (std::abs(point[i]) + 2);
    sum += kLambda / 2 * importance * (2 * distance * error + error * error);
  }
  return sum;
}

void check_collapse(double largest, double nearest) {
  const std::vector<Past> past = random_past(largest);
  const RowsPtr rows = random_rows(1, 4, kWeights, {0, 1});
  Driven ewc{std::make_unique<EvenOdds>(kWeights),
             same_rows_stream(rows, 2, 7),
             "ewc",
             {{"lambda", "3"}, {"labels", "exact"}}};
  for (size_t t = 0; t < past.size(); ++t) {
    ewc.set(past[t].anchor);
    ewc.end_on(static_cast<int64_t>(t) + 1, row_with_fisher(past[t].fisher));
  }
  std::vector<float> point;
  for (int64_t i = 0; i < kWeights; ++i) {
    const double size = between(nearest, 5);
    point.push_back(static_cast<float>(*rc::gen::arbitrary<bool>() ? size : -size));
  }
  ewc.set(point);
  Tensor gradient;
  const double found = ewc.penalty(&gradient) + constant_of(past);
  double separate = 0;
  for (size_t i = 0; i < kWeights; ++i) {
    double pull = 0;
    for (const Past& task : past) {
      const double distance = static_cast<double>(point[i]) - static_cast<double>(task.anchor[i]);
      pull += kLambda * rounded(task.fisher[i]) * distance;
      separate += kLambda / 2 * rounded(task.fisher[i]) * distance * distance;
    }
    const double pulled = gradient[static_cast<int64_t>(i)].item<double>();
    if (nearest > 2) RC_ASSERT(std::abs(pulled - pull) <= 1e-5 * std::abs(pull));
  }
  const double allowed = nearest > 2 ? 0 : rounding(past, point);
  RC_ASSERT(std::abs(found - separate) <= 1e-5 * separate + allowed);
}

}  // namespace

TEST_CASE("the collapsed penalty is the sum of the separate ones at any point") {
  // Away from the anchors, which lie within 2, to 1e-5; among them beside float32's rounding.
  CHECK(rc::check("importances up to 1, away", [] { check_collapse(1, 2.5); }));
  CHECK(rc::check("importances up to 1e10, away", [] { check_collapse(1e10, 2.5); }));
  CHECK(rc::check("importances up to 1, anywhere", [] { check_collapse(1, 0); }));
  CHECK(rc::check("importances up to 1e10, anywhere", [] { check_collapse(1e10, 0); }));
}
