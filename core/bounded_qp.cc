#include "core/bounded_qp.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace lethe {
namespace {

using Values = std::vector<double>;

/// u >= 0 that minimises 1/2 u'Hu + c'u; H has a diagonal of ones, or of zeros where a variable
/// has no say.
class NonNegative {
 public:
  NonNegative(Values h, Values c)
      : n_(c.size()), h_(std::move(h)), c_(std::move(c)), u_(n_, 0), free_(n_, false) {}

  Values solved() {
    double scale = 0;
    for (const double value : c_) scale = std::max(scale, std::abs(value));
    const double tolerance = 1e-13 * scale;
    std::vector<bool> barred(n_, false);  // dependent on the free ones, until those change
    for (size_t round = 0; round < 20 * n_ + 20; ++round) {
      const size_t entering = steepest(tolerance, barred);
      if (entering == n_) break;
      const Values before = u_;
      free_[entering] = true;
      if (!settle()) free_[entering] = false;
      if (u_ != before) barred.assign(n_, false);
      barred[entering] = barred[entering] || u_ == before;
    }
    return u_;
  }

 private:
  double descent(size_t i) const {
    double w = -c_[i];
    for (size_t j = 0; j < n_; ++j) w -= h_[i * n_ + j] * u_[j];
    return w;
  }

  size_t steepest(double tolerance, const std::vector<bool>& barred) const {
    size_t found = n_;
    double most = tolerance;
    for (size_t i = 0; i < n_; ++i) {
      if (free_[i] || barred[i] || h_[i * n_ + i] == 0) continue;
      const double w = descent(i);
      if (w <= most) continue;
      most = w;
      found = i;
    }
    return found;
  }

  /// Moves to the minimum over the free variables, fixing those that reach 0 on the way. False
  /// where the free ones depend on each other.
  bool settle() {
    while (true) {
      Values target;
      if (!minimum(target)) return false;
      double step = 1;
      for (size_t i = 0; i < n_; ++i) step = std::min(step, reach(i, target[i]));
      bool fixed = false;
      for (size_t i = 0; i < n_; ++i) {
        if (!free_[i]) continue;
        const bool blocks = reach(i, target[i]) <= step && target[i] <= 0;
        u_[i] = blocks ? 0 : u_[i] + step * (target[i] - u_[i]);
        if (!blocks) continue;
        free_[i] = false;
        fixed = true;
      }
      if (!fixed) return true;
    }
  }

  /// Which part of the way to `target` variable i may go before it is 0; above 1 where it stays
  /// positive.
  double reach(size_t i, double target) const {
    if (!free_[i] || target > 0) return 2;
    return u_[i] > 0 ? u_[i] / (u_[i] - target) : 0;
  }

  /// H_ff target_f = -c_f over the free variables by Cholesky; false where a pivot vanishes.
  bool minimum(Values& target) const {
    std::vector<size_t> at;
    for (size_t i = 0; i < n_; ++i) {
      if (free_[i]) at.push_back(i);
    }
    const size_t m = at.size();
    Values l(m * m, 0), y(m, 0);
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = h_[at[i] * n_ + at[j]];
        for (size_t k = 0; k < j; ++k) sum -= l[i * m + k] * l[j * m + k];
        if (i == j && sum < 1e-13) return false;
        l[i * m + j] = i == j ? std::sqrt(sum) : sum / l[j * m + j];
      }
      y[i] = -c_[at[i]];
      for (size_t k = 0; k < i; ++k) y[i] -= l[i * m + k] * y[k];
      y[i] /= l[i * m + i];
    }
    target.assign(n_, 0);
    for (size_t i = m; i-- > 0;) {
      for (size_t k = i + 1; k < m; ++k) y[i] -= l[k * m + i] * y[k];
      y[i] /= l[i * m + i];
      target[at[i]] = y[i];
    }
    return true;
  }

  size_t n_;
  Values h_, c_, u_;
  std::vector<bool> free_;
};

}  // namespace

std::vector<double> bounded_qp(const std::vector<double>& h, const std::vector<double>& b,
                               double low) {
  const size_t n = b.size();
  Values unit(n), scaled(n * n), c(n);
  for (size_t i = 0; i < n; ++i) {
    const double length = std::sqrt(h[i * n + i]);
    unit[i] = length > 0 ? 1 / length : 0;
  }
  for (size_t i = 0; i < n; ++i) {
    c[i] = b[i];
    for (size_t j = 0; j < n; ++j) {
      c[i] += h[i * n + j] * low;
      scaled[i * n + j] = i == j ? (unit[i] > 0 ? 1 : 0) : h[i * n + j] * unit[i] * unit[j];
    }
    c[i] *= unit[i];
  }
  Values v = NonNegative(std::move(scaled), std::move(c)).solved();
  for (size_t i = 0; i < n; ++i) v[i] = low + v[i] * unit[i];
  return v;
}

}  // namespace lethe
