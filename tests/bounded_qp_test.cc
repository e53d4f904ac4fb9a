// The bounded quadratic program against trying every set of variables at their bound.
#include "core/bounded_qp.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace lethe {
namespace {

using Values = std::vector<double>;

/// H = R R', b = R g for random rows R (n, p) and g (p).
struct BoxProgram {
  BoxProgram(size_t n, size_t p, unsigned seed) : h(n * n, 0), b(n, 0) {
    std::mt19937 engine(seed);
    std::normal_distribution<double> normal;
    std::vector<Values> r(n, Values(p));
    Values g(p);
    for (double& x : g) x = normal(engine);
    for (Values& row : r) {
      const double length = std::exp(3 * normal(engine));  // rows of very different lengths
      for (double& x : row) x = length * normal(engine);
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t k = 0; k < p; ++k) b[i] += r[i][k] * g[k];
      for (size_t j = 0; j < n; ++j) {
        for (size_t k = 0; k < p; ++k) h[i * n + j] += r[i][k] * r[j][k];
      }
    }
  }

  double value(const Values& v) const {
    const size_t n = b.size();
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      sum += b[i] * v[i];
      for (size_t j = 0; j < n; ++j) sum += v[i] * h[i * n + j] * v[j] / 2;
    }
    return sum;
  }

  Values h, b;
};

/// Gauss and Jordan on the variables in `free`, the others at `low`; empty where singular.
Values solved(const BoxProgram& program, unsigned free, double low) {
  const size_t n = program.b.size();
  std::vector<Values> rows;
  for (size_t i = 0; i < n; ++i) {
    Values row(n + 1, 0);
    if ((free >> i & 1U) == 0) {
      row[i] = 1;
      row[n] = low;
    } else {
      for (size_t j = 0; j < n; ++j) row[j] = program.h[i * n + j];
      row[n] = -program.b[i];
    }
    rows.push_back(row);
  }
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t i = column; i < n; ++i) {
      if (std::abs(rows[i][column]) > std::abs(rows[pivot][column])) pivot = i;
    }
    if (std::abs(rows[pivot][column]) < 1e-12) return {};
    std::swap(rows[pivot], rows[column]);
    for (size_t i = 0; i < n; ++i) {
      if (i == column) continue;
      const double factor = rows[i][column] / rows[column][column];
      for (size_t j = column; j <= n; ++j) rows[i][j] -= factor * rows[column][j];
    }
  }
  Values v(n);
  for (size_t i = 0; i < n; ++i) v[i] = rows[i][n] / rows[i][i];
  return v;
}

/// The least value over all sets of free variables whose solution keeps to the bound.
double least(const BoxProgram& program, double low) {
  const size_t n = program.b.size();
  double best = std::numeric_limits<double>::infinity();
  for (unsigned free = 0; free < 1U << n; ++free) {
    const Values v = solved(program, free, low);
    bool kept = !v.empty();
    for (const double x : v) kept = kept && x >= low - 1e-9 * (1 + std::abs(x));
    if (kept) best = std::min(best, program.value(v));
  }
  return best;
}

}  // namespace

TEST_CASE("one variable stops at its bound or at its minimum", "[qp]") {
  CHECK(bounded_qp({2}, {-4}, 0)[0] == Approx(2));
  CHECK(bounded_qp({2}, {4}, 0) == Values{0});
  CHECK(bounded_qp({2}, {-4}, 3) == Values{3});
  CHECK(bounded_qp({0}, {0}, 0.5) == Values{0.5});
}

TEST_CASE("two variables by hand", "[qp]") {
  // (v1 - 1)^2 / 2 + (v2 + 1)^2 / 2 + v1 v2 / 2: v2 = 0, v1 = 1.
  const Values v = bounded_qp({1, 0.5, 0.5, 1}, {-1, 1}, 0);
  CHECK(v[0] == Approx(1));
  CHECK(v[1] == 0);
  // Both free: H v = -b.
  const Values w = bounded_qp({1, 0.5, 0.5, 1}, {-2, -2}, 0);
  CHECK(w[0] == Approx(4.0 / 3));
  CHECK(w[1] == Approx(4.0 / 3));
}

TEST_CASE("the answer is as good as the best of all sets of active bounds", "[qp]") {
  CHECK(rc::check([] {
    const auto n = *rc::gen::inRange<size_t>(1, 6);
    const BoxProgram program(n, n + 3, *rc::gen::arbitrary<unsigned>());
    const double low = *rc::gen::element(0.0, 0.5, 0.01);
    const Values v = bounded_qp(program.h, program.b, low);
    for (const double x : v) RC_ASSERT(x >= low);
    const double best = least(program, low);
    RC_ASSERT(program.value(v) <= best + 1e-9 * (1 + std::abs(best)));
  }));
}

TEST_CASE("rows that depend on each other still give a minimum", "[qp]") {
  CHECK(rc::check([] {
    // 5 rows in 3 dimensions, and each row twice.
    const auto n = *rc::gen::inRange<size_t>(2, 6);
    const BoxProgram some(n, 3, *rc::gen::arbitrary<unsigned>());
    BoxProgram program = some;
    program.h.assign(4 * n * n, 0);
    program.b.resize(2 * n);
    for (size_t i = 0; i < 2 * n; ++i) {
      program.b[i] = some.b[i % n];
      for (size_t j = 0; j < 2 * n; ++j) program.h[i * 2 * n + j] = some.h[i % n * n + j % n];
    }
    const Values v = bounded_qp(program.h, program.b, 0);
    for (const double x : v) RC_ASSERT(x >= 0);
    // At the minimum H v + b is 0 where v > 0 and at least 0 elsewhere, in units of the row.
    for (size_t i = 0; i < 2 * n; ++i) {
      double slope = program.b[i];
      for (size_t j = 0; j < 2 * n; ++j) slope += program.h[i * 2 * n + j] * v[j];
      const double unit = std::sqrt(program.h[i * 2 * n + i]);
      RC_ASSERT(slope / unit > -1e-7);
      if (v[i] * unit > 1e-9) RC_ASSERT(slope / unit < 1e-7);
    }
  }));
}

}  // namespace lethe
