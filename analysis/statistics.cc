#include "analysis/statistics.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace lethe {
namespace {

// Keeps a denominator of Lentz's method off zero.
double off_zero(double value) {
  constexpr double tiny = 1e-300;
  return std::abs(value) < tiny ? tiny : value;
}

// Abramowitz & Stegun 26.5.8; converges fast for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  double c = 1;
  double d = 1 / off_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / off_zero(1 + even * d);
    c = off_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / off_zero(1 + odd * d);
    c = off_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return fraction;
}

// P(T > t) for t >= 0.
double upper_tail(double t, double freedom) {
  return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
}

}  // namespace

std::optional<double> mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<double> standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double centre = *mean(values);
  double squares = 0;
  for (double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::optional<double> standard_error(const std::vector<double>& values) {
  const auto deviation = standard_deviation(values);
  if (!deviation) return std::nullopt;
  return *deviation / std::sqrt(static_cast<double>(values.size()));
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_t_quantile(double probability, int64_t freedom) {
  if (freedom < 1) fail("degrees of freedom of Student's t: {}; expected at least 1", freedom);
  if (!(probability > 0 && probability < 1)) {
    fail("probability of a quantile: {}; expected a value in (0, 1)", probability);
  }
  if (probability < 0.5) return -student_t_quantile(1 - probability, freedom);
  const double tail = 1 - probability;
  const double degrees = static_cast<double>(freedom);
  double low = 0;
  double high = 1;
  while (upper_tail(high, degrees) > tail) high *= 2;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (upper_tail(middle, degrees) > tail ? low : high) = middle;
  }
}

Summary summarise(const std::vector<double>& values) {
  Summary summary;
  summary.n = static_cast<int64_t>(values.size());
  summary.mean = mean(values).value_or(0);
  summary.sd = standard_deviation(values);
  if (const auto error = standard_error(values)) {
    summary.half_width = student_t_quantile(0.975, summary.n - 1) * *error;
  }
  return summary;
}

Summary paired_difference(const std::map<int64_t, double>& first,
                          const std::map<int64_t, double>& second) {
  std::vector<double> differences;
  for (const auto& [seed, value] : first) {
    if (const auto other = second.find(seed); other != second.end()) {
      differences.push_back(value - other->second);
    }
  }
  return summarise(differences);
}

}  // namespace lethe
