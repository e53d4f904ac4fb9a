// Distillation losses by hand: student (2, 1, 0), teacher (1, 2, -1).
#include "tests/catch.h"
// After Catch.
#include <cmath>

#include "core/distillation_loss.h"
#include "core/seeds.h"

using namespace lethe;

namespace {

const Tensor kStudentLogits = at::tensor({2.0, 1.0, 0.0}).view({1, 3});
const Tensor kTeacherLogits = at::tensor({1.0, 2.0, -1.0}).view({1, 3});

double loss(const std::string& form, double temperature, const Tensor& student = kStudentLogits) {
  return soft_loss(form, soft_targets(form, kTeacherLogits, temperature), student, temperature)
      .item<double>();
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("the losses have the golden values") {
  CHECK(loss("kl", 2) == Approx(0.12268845).epsilon(1e-7));
  CHECK(4 * loss("kl", 2) == Approx(0.49075381).epsilon(1e-7));
  CHECK(loss("cross_entropy", 2) == Approx(1.07549602).epsilon(1e-7));
  CHECK(loss("reverse_kl", 2) == Approx(0.11666505).epsilon(1e-7));
  CHECK(loss("kl", 1) == Approx(0.46936277).epsilon(1e-7));
  CHECK(loss("cross_entropy", 1) == Approx(1.18322853).epsilon(1e-7));
  // What cross-entropy exceeds KL by is the teacher's entropy.
  CHECK(loss("cross_entropy", 2) - loss("kl", 2) == Approx(0.95280756).epsilon(1e-7));
  CHECK(loss("cross_entropy", 2, kTeacherLogits) == Approx(0.95280756).epsilon(1e-7));
}

TEST_CASE("every divergence is 0 where student and teacher agree") {
  for (const std::string form : {"kl", "reverse_kl"}) {
    CHECK(loss(form, 2, kTeacherLogits) == Approx(0).margin(1e-12));
  }
}

TEST_CASE(
    "cross-entropy and KL have one gradient, (softmax difference) / T; binary has sigmoids'") {
  for (const std::string form : {"cross_entropy", "kl", "binary"}) {
    CAPTURE(form);
    Tensor student = kStudentLogits.clone().set_requires_grad(true);
    const Tensor value = soft_loss(form, soft_targets(form, kTeacherLogits, 2), student, 2);
    const Tensor found = torch::autograd::grad({value}, {student})[0];
    const bool binary = form == "binary";
    const Tensor s = kStudentLogits / 2, t = kTeacherLogits / 2;
    const Tensor expected = (binary ? s.sigmoid() - t.sigmoid() : s.softmax(1) - t.softmax(1)) / 2;
    CHECK((found - expected).abs().max().item<double>() < 1e-12);
  }
}

TEST_CASE("the gradient of every form equals finite differences") {
  for (const std::string form : {"cross_entropy", "kl", "reverse_kl", "binary"}) {
    CAPTURE(form);
    Tensor student = kStudentLogits.clone().set_requires_grad(true);
    const Tensor targets = soft_targets(form, kTeacherLogits, 2);
    const Tensor found =
        torch::autograd::grad({soft_loss(form, targets, student, 2, 1.5)}, {student})[0];
    for (int64_t i = 0; i < 3; ++i) {
      const auto moved = [&](double by) {
        Tensor at_point = kStudentLogits.clone();
        at_point[0][i] += by;
        return soft_loss(form, targets, at_point, 2, 1.5).item<double>();
      };
      const double slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      CHECK(found[0][i].item<double>() == Approx(slope).epsilon(1e-7));
    }
  }
}

TEST_CASE("few units and many have one loss and one gradient, units at minus infinity too") {
  // 100 more units that neither student nor teacher gives any probability make it many.
  Tensor taught = at::randn({5, 6}, at::kDouble), given = at::randn({5, 6}, at::kDouble);
  for (const int64_t unit : {1, 4}) {
    taught.select(1, unit).fill_(-INFINITY);
    given.select(1, unit).fill_(-INFINITY);
  }
  const auto padded = [](const Tensor& x) {
    return at::cat({x, at::full({5, 100}, -INFINITY, at::kDouble)}, 1);
  };
  for (const std::string form : {"cross_entropy", "kl"}) {
    CAPTURE(form);
    Tensor few = given.clone().set_requires_grad(true);
    Tensor many = given.clone().set_requires_grad(true);
    const Tensor short_loss = soft_loss(form, soft_targets(form, taught, 3), few, 3);
    const Tensor long_loss =
        soft_loss(form, soft_targets(form, padded(taught), 3), padded(many), 3);
    CHECK(short_loss.item<double>() == Approx(long_loss.item<double>()).epsilon(1e-12));
    const Tensor fast = torch::autograd::grad({short_loss * 7}, {few})[0];
    const Tensor slow = torch::autograd::grad({long_loss * 7}, {many})[0];
    CHECK((fast - slow).abs().max().item<double>() < 1e-12);
  }
}

TEST_CASE("binary distillation sums the units' cross-entropies of sigmoids") {
  double expected = 0;
  for (int64_t i = 0; i < 3; ++i) {
    const double s = sigmoid(kStudentLogits[0][i].item<double>() / 2);
    const double t = sigmoid(kTeacherLogits[0][i].item<double>() / 2);
    expected -= t * std::log(s) + (1 - t) * std::log(1 - s);
  }
  CHECK(loss("binary", 2) == Approx(expected).epsilon(1e-12));
  // Large logits stay finite.
  CHECK(loss("binary", 1, at::full({1, 3}, 1000.0)) ==
        Approx(3000 - 1000 * (sigmoid(1) + sigmoid(2) + sigmoid(-1))).epsilon(1e-9));
}

TEST_CASE("units that a row may not take have no part in any loss, nor a gradient") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor teacher =
      at::cat({kTeacherLogits, at::full({1, 2}, -inf, kTeacherLogits.options())}, 1);
  for (const std::string form : {"cross_entropy", "kl", "reverse_kl", "binary"}) {
    CAPTURE(form);
    Tensor raw = at::cat({kStudentLogits, at::full({1, 2}, 7.0, kStudentLogits.options())}, 1);
    raw = raw.set_requires_grad(true);
    Tensor hidden = at::zeros({1, 5}, at::kBool);
    hidden.narrow(1, 3, 2).fill_(true);
    const Tensor student = raw.masked_fill(hidden, -inf);
    const Tensor value = soft_loss(form, soft_targets(form, teacher, 2), student, 2);
    CHECK(value.item<double>() == Approx(loss(form, 2)).epsilon(1e-12));
    const Tensor gradient = torch::autograd::grad({value}, {raw})[0];
    CHECK(gradient.isfinite().all().item<bool>());
    CHECK(gradient.narrow(1, 3, 2).abs().max().item<double>() == 0);
  }
}

TEST_CASE("a factor multiplies the loss and its gradient, in a sum with another loss too") {
  const at::Generator generator = make_generator(3);
  for (const std::string form : {"cross_entropy", "kl", "reverse_kl", "binary"}) {
    for (const int64_t units : {4, 100}) {
      CAPTURE(form, units);
      const Tensor targets = soft_targets(form, at::randn({5, units}, generator), 2);
      Tensor student = at::randn({5, units}, generator).set_requires_grad(true);
      const Tensor plain = soft_loss(form, targets, student, 2);
      const Tensor threefold = soft_loss(form, targets, student, 2, 3);
      CHECK(threefold.item<float>() == Approx(3 * plain.item<float>()).epsilon(1e-6));
      const Tensor once = torch::autograd::grad({plain}, {student}, {}, true)[0];
      for (const Tensor& sum : {threefold, threefold * 0.5 + plain * 1.5}) {
        const Tensor thrice = torch::autograd::grad({sum}, {student}, {}, true)[0];
        CHECK((thrice - 3 * once).abs().max().item<float>() < 1e-6);
      }
    }
  }
}
