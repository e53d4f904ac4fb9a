// Statistics over seeds: mean, spread, Student-t intervals, paired differences. No libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace lethe {

/// Mean with a Student-t 95 % interval over seeds. n = 1: no interval. n = 0: nothing.
struct Summary {
  int64_t n = 0;
  double mean = 0;
  std::optional<double> sd;          ///< n - 1 in the denominator
  std::optional<double> half_width;  ///< t(n - 1, 0.975) * sd / sqrt(n)
};

/// nullopt for no values.
std::optional<double> mean(const std::vector<double>& values);

/// Standard deviation of a sample, n - 1 in the denominator; nullopt for fewer than two values.
std::optional<double> standard_deviation(const std::vector<double>& values);

/// Standard error of the mean: standard_deviation / sqrt(n); nullopt for fewer than two values.
std::optional<double> standard_error(const std::vector<double>& values);

/// Regularised incomplete beta function I_x(a, b) by its continued fraction, evaluated with Lentz's
/// method (Abramowitz & Stegun 26.5.8). a, b > 0; x in [0, 1]; relative error near 1e-14.
double incomplete_beta(double a, double b, double x);

/// The t with P(T <= t) = probability under Student's t with `freedom` degrees (A & S 26.7.1,
/// inverted by bisection to the last bit). Throws Error for freedom < 1 or a probability outside
/// (0, 1).
double student_t_quantile(double probability, int64_t freedom);

Summary summarise(const std::vector<double>& values);

/// Summary of first[s] - second[s] over the seeds s that both have: a seed fixes initial weights
/// and batch order, so the difference within a seed varies less than either side does.
Summary paired_difference(const std::map<int64_t, double>& first,
                          const std::map<int64_t, double>& second);

}  // namespace lethe
