#include "core/kernels/update.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/update_isa.h"
#include "tests/update_case.h"

namespace lethe::kernels {
namespace {

/// theta - lr * total gradient with lr = 1, so that the displacement is minus the gradient.
Update plain_sgd(Floats& value, Floats& gradient) {
  Update step;
  step.optimizer = Optimizer::sgd;
  step.n = static_cast<int64_t>(value.size());
  step.value = value.data();
  step.gradient = gradient.data();
  step.learning_rate = 1;
  return step;
}

struct SiState {
  float theta = 0, first = 0, second = 0, path = 0, importance = 0, anchor = 0;
  int64_t step = 0;
};

/// Three steps on (theta - target)^2 / 2 under the update; then importance is consolidated.
/// Returns W, the path integral of the task.
double si_task(SiState& s, float target, Optimizer optimizer, bool total) {
  const float start = s.theta;
  s.path = 0;
  for (int i = 0; i < 3; ++i) {
    float gradient = s.theta - target;
    Update step;
    step.optimizer = optimizer;
    step.n = 1;
    step.value = &s.theta;
    step.gradient = &gradient;
    step.first = &s.first;
    step.second = &s.second;
    step.learning_rate = 0.1;
    step.step = ++s.step;
    step.terms = 1;
    step.term[0] = {0.5, &s.importance, &s.anchor};
    step.paths = 1;
    step.path[0] = {&s.path, total};
    update(step);
  }
  const double moved = s.theta - start;
  s.importance = static_cast<float>(std::max(0.0, s.importance + s.path / (moved * moved + 0.1)));
  s.anchor = s.theta;
  return s.path;
}

void check_si(Optimizer optimizer, bool total, const std::vector<double>& golden) {
  SiState state;
  for (int task = 0; task < 2; ++task) {
    const double path = si_task(state, task == 0 ? 3.0f : -1.0f, optimizer, total);
    const double* row = golden.data() + 3 * task;
    CHECK(state.theta == Approx(row[0]).margin(1e-6));
    CHECK(path == Approx(row[1]).margin(1e-6));
    CHECK(state.importance == Approx(row[2]).margin(4e-6));
  }
}

}  // namespace

TEST_CASE("si on scalar quadratics has the golden path integrals", "[update]") {
  check_si(Optimizer::sgd, false,
           {0.813, 2.21949000, 2.91666283, 0.45431542, 0.61073549, 5.58765840});
  check_si(Optimizer::sgd, true,
           {0.813, 2.21949000, 2.91666283, 0.45431542, 0.49535334, 5.08304517});
  check_si(Optimizer::adam, false,
           {0.29961848, 0.86893170, 4.57883789, 0.41135390, -0.14868080, 3.25705225});
  check_si(Optimizer::adam, true,
           {0.29961848, 0.86893170, 4.57883789, 0.41135390, -0.16455738, 3.11590801});
}

TEST_CASE("the ewc penalty and its gradient have the golden values", "[update]") {
  Floats value{0.8f, -0.1f}, gradient{0, 0};
  const Floats fisher{0.27106607f, 0.27106607f}, anchor{0.5f, -0.5f};
  Update step = plain_sgd(value, gradient);
  step.terms = 1;
  step.term[0] = {50, fisher.data(), anchor.data()};
  CHECK(update(step) == Approx(3.38832587).epsilon(1e-6));
  CHECK(0.8 - value[0] == Approx(8.13198208).epsilon(1e-6));
  CHECK(-0.1 - value[1] == Approx(10.84264277).epsilon(1e-6));
}

TEST_CASE("the quadratic gradient equals finite differences of the penalty", "[update]") {
  const Case arrays(5, 3);
  const auto penalty_at = [&](size_t i, float shift) {
    Floats value = arrays.value, gradient(5, 0);
    value[i] += shift;
    Update step = plain_sgd(value, gradient);
    step.terms = 2;
    step.term[0] = {1.5, arrays.importance[0].data(), arrays.anchor[0].data()};
    step.term[1] = {0.25, nullptr, arrays.anchor[1].data()};
    const double penalty = update(step);
    return std::pair{penalty, arrays.value[i] + shift - value[i]};
  };
  for (size_t i = 0; i < 5; ++i) {
    const double slope = (penalty_at(i, 0.125f).first - penalty_at(i, -0.125f).first) / 0.25;
    CHECK(penalty_at(i, 0).second == Approx(slope).epsilon(1e-4));
  }
}

TEST_CASE("one AdamW step by hand", "[update]") {
  float value = 1, gradient = 0.5f, first = 0, second = 0;
  Update step;
  step.n = 1;
  step.value = &value;
  step.gradient = &gradient;
  step.first = &first;
  step.second = &second;
  step.learning_rate = 0.1;
  step.weight_decay = 0.2;
  CHECK(update(step) == 0);
  CHECK(first == Approx(0.05));
  CHECK(second == Approx(0.00025));
  CHECK(value == Approx(1 * (1 - 0.02) - 0.1).epsilon(1e-6));  // the first step is lr * sign(g)
  CHECK(gradient == 0);
}

TEST_CASE("sgd's momentum buffer starts as the first gradient", "[update]") {
  Floats value{1}, gradient{2}, buffer{std::nanf("")};
  Update step = plain_sgd(value, gradient);
  step.learning_rate = 0.1;
  step.momentum = 0.5;
  step.first = buffer.data();
  update(step);
  CHECK(buffer[0] == 2.0f);
  CHECK(value[0] == Approx(0.8));
  gradient[0] = 1;
  step.step = 2;
  update(step);
  CHECK(buffer[0] == 2.0f);  // 0.5 * 2 + 1
  CHECK(value[0] == Approx(0.6));
}

TEST_CASE("the gradient is cleared only when asked", "[update]") {
  Floats value{1, 2, 3}, gradient{4, 5, 6};
  Update step = plain_sgd(value, gradient);
  step.zero_gradient = false;
  update(step);
  CHECK(gradient == Floats{4, 5, 6});
  step.zero_gradient = true;
  update(step);
  CHECK(gradient == Floats{0, 0, 0});
}

TEST_CASE("the squared norm is that of gradient plus quadratic gradients", "[update]") {
  for (const int64_t n : {1, 17, 4099}) {
    Case arrays(n, 11);
    Update step = arrays.step(Optimizer::adamw, 2, 0);
    double expected = 0;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      const double theta = arrays.value[i];
      const double g = arrays.gradient[i] +
                       3.0 * arrays.importance[0][i] * (theta - arrays.anchor[0][i]) +
                       5.0 * (theta - arrays.anchor[1][i]);
      expected += g * g;
    }
    const std::string before = arrays.bits();
    CHECK(squared_norm(step) == Approx(expected).epsilon(1e-6));
    CHECK(squared_norm_avx2(step) == squared_norm(step));
    if (has_avx512()) CHECK(squared_norm_avx512(step) == squared_norm(step));
    CHECK(arrays.bits() == before);
    step.first = step.second = nullptr;
    CHECK(squared_norm(step) == Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("a further penalty's gradient moves values and total paths, not the other paths",
          "[update]") {
  Floats value{1, 2}, gradient{0.5f, -1}, path{0, 0}, total_path{0, 0};
  const Floats anchor{0, 0}, added{2, 3};
  Update step = plain_sgd(value, gradient);
  step.terms = 1;
  step.term[0] = {0.5, nullptr, anchor.data()};
  step.added = added.data();
  step.paths = 2;
  step.path[0] = {path.data(), false};
  step.path[1] = {total_path.data(), true};
  // Total gradients: 0.5 + 1 + 2 and -1 + 2 + 3.
  CHECK(squared_norm(step) == Approx(3.5 * 3.5 + 4 * 4));
  CHECK(update(step) == Approx(0.5 * (1 + 4)));
  CHECK(value == Floats{1 - 3.5f, 2 - 4});
  CHECK(path == Floats{0.5f * 3.5f, -1 * 4});
  CHECK(total_path == Floats{3.5f * 3.5f, 4 * 4});
}

TEST_CASE("an update that cannot be done is refused", "[update]") {
  Case arrays(3, 1);
  Update step = arrays.step(Optimizer::adamw, 0, 0);
  step.second = nullptr;
  CHECK_THROWS_WITH(update(step),
                    "an Adam update without its two moments; lay out both twins first");
  step = arrays.step(Optimizer::sgd, 0, 0);
  step.first = nullptr;
  CHECK_THROWS_WITH(
      update(step),
      "an SGD update with momentum 0.9 without a momentum buffer; lay out its twin first");
  step = arrays.step(Optimizer::sgd, 0, 0);
  step.terms = 5;
  CHECK_THROWS_WITH(update(step), "an update with 5 quadratic terms; expected 0 to 4");
  step.terms = 0;
  step.paths = 5;
  CHECK_THROWS_WITH(update(step), "an update with 5 path integrals; expected 0 to 4");
  step.paths = 0;
  step.step = 0;
  CHECK_THROWS_WITH(update(step), "an update at step 0; steps count from 1");
}

}  // namespace lethe::kernels
