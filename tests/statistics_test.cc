#include "analysis/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"

namespace lethe {
namespace {

// P(T <= t) by Simpson's rule over the density of Student's t: slow, and another way than the
// library's.
double t_probability(double t, double freedom) {
  const double scale = std::exp(std::lgamma((freedom + 1) / 2) - std::lgamma(freedom / 2)) /
                       std::sqrt(freedom * std::acos(-1.0));
  const auto density = [&](double x) {
    return scale * std::pow(1 + x * x / freedom, -(freedom + 1) / 2);
  };
  const int steps = 20000;
  const double width = t / steps;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(i * width);
  return 0.5 + sum * width / 3;
}

}  // namespace

TEST_CASE("quantiles of Student's t equal the tables", "[statistics]") {
  CHECK(student_t_quantile(0.975, 1) == Approx(12.7062047362).epsilon(0).margin(1e-8));
  CHECK(student_t_quantile(0.975, 2) == Approx(4.3026527297).epsilon(0).margin(1e-8));
  CHECK(student_t_quantile(0.975, 4) == Approx(2.7764451052).epsilon(0).margin(1e-8));
  CHECK(student_t_quantile(0.975, 9) == Approx(2.2621571628).epsilon(0).margin(1e-8));
  CHECK(student_t_quantile(0.975, 30) == Approx(2.0422724563).epsilon(0).margin(1e-8));
}

TEST_CASE("quantiles of one and two degrees of freedom equal their closed forms", "[statistics]") {
  for (double p : {0.01, 0.25, 0.5, 0.6, 0.9, 0.975, 0.999}) {
    const double cauchy = std::tan(std::acos(-1.0) * (p - 0.5));
    CHECK(student_t_quantile(p, 1) == Approx(cauchy).epsilon(1e-9).margin(1e-9));
    const double two = (2 * p - 1) / std::sqrt(2 * p * (1 - p));
    CHECK(student_t_quantile(p, 2) == Approx(two).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("the quantile inverts the integral of the density", "[statistics]") {
  for (int64_t freedom : {3, 5, 17, 100}) {
    for (double p : {0.8, 0.975, 0.995}) {
      const double t = student_t_quantile(p, freedom);
      CHECK(t_probability(t, static_cast<double>(freedom)) == Approx(p).epsilon(0).margin(1e-10));
    }
  }
}

TEST_CASE("the quantile of many degrees of freedom nears the normal's 1.959964", "[statistics]") {
  CHECK(student_t_quantile(0.975, 1000000) == Approx(1.959964).margin(1e-5));
}

TEST_CASE("a quantile that does not exist is refused with its arguments", "[statistics]") {
  CHECK_THROWS_WITH(student_t_quantile(0.975, 0),
                    "degrees of freedom of Student's t: 0; expected at least 1");
  CHECK_THROWS_WITH(student_t_quantile(1.0, 3),
                    "probability of a quantile: 1; expected a value in (0, 1)");
  CHECK_THROWS_WITH(student_t_quantile(std::nan(""), 3),
                    "probability of a quantile: nan; expected a value in (0, 1)");
}

TEST_CASE("the incomplete beta function equals polynomials where it is one", "[statistics]") {
  for (double x : {0.0, 0.1, 0.5, 0.93, 1.0}) {
    CHECK(incomplete_beta(1, 1, x) == Approx(x).margin(1e-14));
    CHECK(incomplete_beta(2, 1, x) == Approx(x * x).margin(1e-14));
    CHECK(incomplete_beta(2, 2, x) == Approx(3 * x * x - 2 * x * x * x).margin(1e-14));
  }
}

TEST_CASE("three seeds have mean, deviation, error and interval by hand", "[statistics]") {
  const std::vector<double> seeds = {.70, .74, .78};
  CHECK(*mean(seeds) == Approx(.74).epsilon(1e-12));
  CHECK(*standard_deviation(seeds) == Approx(.04).epsilon(1e-12));
  CHECK(*standard_error(seeds) == Approx(.0230940108).margin(1e-9));
  // Two figures of public code that ours must not be: the error of a deviation over n, and 1.96
  // errors, which understate the interval 2.2 times.
  CHECK(*standard_error(seeds) * std::sqrt(2.0 / 3) == Approx(.0188562).margin(1e-7));
  CHECK(1.96 * *standard_error(seeds) == Approx(.0452641).margin(2e-7));
  const Summary summary = summarise(seeds);
  CHECK(summary.n == 3);
  CHECK(summary.mean == Approx(.74).epsilon(1e-12));
  CHECK(*summary.sd == Approx(.04).epsilon(1e-12));
  CHECK(*summary.half_width == Approx(.0993661).margin(1e-7));
}

TEST_CASE("one value has a mean and no spread, no value has nothing", "[statistics]") {
  const Summary one = summarise({.5});
  CHECK(one.n == 1);
  CHECK(one.mean == .5);
  CHECK_FALSE(one.sd);
  CHECK_FALSE(one.half_width);
  CHECK(summarise({}).n == 0);
  CHECK_FALSE(mean({}));
  CHECK_FALSE(standard_deviation({.5}));
  CHECK_FALSE(standard_error({.5}));
}

TEST_CASE("equal values have an interval of width 0", "[statistics]") {
  CHECK(*summarise({.25, .25, .25}).half_width == 0);
}

TEST_CASE("a paired difference takes the seeds that both sides have", "[statistics]") {
  const Summary difference =
      paired_difference({{1, .9}, {2, .8}, {3, .7}, {5, .1}}, {{1, .5}, {2, .3}, {3, .4}, {4, 1.}});
  CHECK(difference.n == 3);  // .4, .5, .3
  CHECK(difference.mean == Approx(.4).epsilon(1e-12));
  CHECK(*difference.sd == Approx(.1).epsilon(1e-12));
  CHECK(*difference.half_width == Approx(4.3026527297 * .1 / std::sqrt(3.0)).epsilon(1e-9));
  CHECK(paired_difference({{1, .9}}, {{2, .5}}).n == 0);
}

}  // namespace lethe
