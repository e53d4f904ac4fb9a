// A-GEM's projection: numbers by hand, random vectors, and where its reference comes from.
#include "tests/catch.h"
// After Catch.
#include <rapidcheck.h>

#include "core/flat_dot.h"
#include "tests/replay_case.h"

using namespace lethe;

namespace {

/// In task 2 of 3, `size` weights, a memory of four rows.
Rehearsal projecting(int64_t size, const OptionMap& options = {{"budget", "2"}}) {
  Rehearsal rehearsal(zero_layer(size, 1), plain_stream(3, 8), "a-gem", options);
  rehearsal.begin(1);
  rehearsal.end(1);
  rehearsal.begin(2);
  return rehearsal;
}

Tensor projected(Rehearsal& rehearsal, const Tensor& gradient, const Tensor& reference) {
  return rehearsal.rewritten(gradient, [&](const Batch&) { return reference; });
}

double dot(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>();
}

Tensor drawn(int64_t size) {
  std::vector<float> values;
  for (int64_t i = 0; i < size; ++i) {
    values.push_back(static_cast<float>(*rc::gen::inRange(-1000, 1001)) / 256);
  }
  return at::tensor(values);
}

}  // namespace

TEST_CASE("a conflicting gradient becomes orthogonal to the reference, by the golden numbers") {
  auto agem = projecting(3);
  const Tensor reference = at::tensor({0.5F, 1.0F, -1.0F});
  const Tensor found = projected(agem, at::tensor({1.0F, -2.0F, 0.5F}), reference);
  CHECK(found[0].item<double>() == Approx(1.44444444).epsilon(1e-6));
  CHECK(found[1].item<double>() == Approx(-1.11111111).epsilon(1e-6));
  CHECK(found[2].item<double>() == Approx(-0.38888889).epsilon(1e-6));
  CHECK(dot(found, reference) == Approx(0).margin(1e-6));
}

TEST_CASE("the golden products, and where float32 has every number the projection is exact") {
  const Tensor gradient = at::tensor({1.0F, -2.0F, 0.5F});
  const Tensor reference = at::tensor({0.5F, 1.0F, -1.0F});
  CHECK(flat_dot(gradient, reference) == -2);
  CHECK(flat_dot(reference, reference) == 2.25);
  // g - (g.r / r.r) r with g.r = -1 and r.r = 1; else float32 rounds each value, see below.
  auto agem = projecting(4);
  const Tensor halves = at::full({4}, 0.5F);
  const Tensor found = projected(agem, at::tensor({1.0F, -2.0F, 0.5F, -1.5F}), halves);
  CHECK(found.equal(at::tensor({1.5F, -1.5F, 1.0F, -1.0F})));
  CHECK(std::abs(dot(found, halves)) <= 1e-12);
}

TEST_CASE("epsilon stands beside the reference's square") {
  auto agem = projecting(3, {{"budget", "2"}, {"epsilon", "1.75"}});
  const Tensor found =
      projected(agem, at::tensor({1.0F, -2.0F, 0.5F}), at::tensor({0.5F, 1.0F, -1.0F}));
  // g + 2 / (2.25 + 1.75) r
  CHECK(found[0].item<double>() == Approx(1.25));
  CHECK(found[1].item<double>() == Approx(-1.5));
  CHECK(found[2].item<double>() == Approx(0));
}

TEST_CASE("after the projection nothing points against the reference; else nothing moves") {
  CHECK(rc::check([] {
    const int64_t size = *rc::gen::inRange<int64_t>(1, 60);
    auto agem = projecting(size);
    const Tensor gradient = drawn(size), reference = drawn(size);
    const Tensor found = projected(agem, gradient, reference);
    if (dot(gradient, reference) >= 0) {
      RC_ASSERT(found.equal(gradient));
    } else {
      const double scale = std::sqrt(dot(gradient, gradient) * dot(reference, reference));
      // 0 but for float32's rounding of each value: 2^-24 (|g| + |k r|), summed against |r|, is at
      // most 1.2e-7 of |g| |r|.
      RC_ASSERT(std::abs(dot(found, reference)) <= 1.3e-7 * scale);
    }
  }));
}

TEST_CASE("the projection is one over all parameters, not one a tensor") {
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  Rehearsal agem(mlp(6, 4, 1, 6), stream, "a-gem", {{"budget", "8"}});
  agem.begin(1);
  agem.end(1);
  agem.begin(2);
  const int64_t size = agem.arena.size();
  Random random(4);
  std::vector<float> g, r;
  for (int64_t i = 0; i < size; ++i) {
    g.push_back(static_cast<float>(random.normal()));
    r.push_back(static_cast<float>(random.normal()));
  }
  Tensor gradient = at::tensor(g), reference = at::tensor(r);
  if (dot(gradient, reference) > 0) reference = -reference;
  const Tensor found = projected(agem, gradient, reference);
  const double factor = -dot(gradient, reference) / dot(reference, reference);
  CHECK((found - gradient - reference * factor).abs().max().item<double>() < 1e-6);
  CHECK(std::abs(factor) > 1e-3);
}

TEST_CASE("the reference is the loss's gradient on a batch of past rows, the values untouched") {
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  Rehearsal agem(mlp(6, 4, 1, 6), stream, "a-gem", {{"budget", "3"}, {"batch", "6"}});
  agem.begin(1);
  agem.end(1);
  agem.begin(2);
  const Tensor values = agem.arena.values().clone();
  Tensor reference;
  std::vector<int64_t> ids;
  agem.contribute([&](const Batch& batch, Tensor out) {
    gradient_of(*agem.model, agem.arena, batch, out);
    reference = out.clone();
    for (int64_t i = 0; i < batch.rows(); ++i) ids.push_back(batch.row_ids[i].item<int64_t>());
  });
  CHECK(ids.size() == 6);
  std::vector<int64_t> indices;
  for (const int64_t id : ids) indices.push_back(id - stream.tasks[0].train->first_id());
  const Batch batch = stream.tasks[0].train->batch(indices);
  const Tensor loss = task_loss(agem.model->forward(batch), batch);
  const Tensor first = torch::autograd::grad({loss}, {agem.arena.ranges()[0].parameter})[0];
  CHECK((agem.arena.slice(reference, agem.arena.ranges()[0]) - first).abs().max().item<double>() <
        1e-7);
  CHECK(agem.arena.values().equal(values));
}

TEST_CASE("a-gem leaves the gradient of the first task alone, and takes no memory at budget 0") {
  Rehearsal first(zero_layer(3, 1), plain_stream(3, 8), "a-gem", {{"budget", "2"}});
  first.begin(1);
  const Tensor gradient = at::tensor({1.0F, -2.0F, 0.5F});
  CHECK(projected(first, gradient, -gradient).equal(gradient));
  CHECK(first.arena.twins().size() == 2);  // the gradient and the reference
  auto off = projecting(3, {{"budget", "0"}});
  CHECK(projected(off, gradient, -gradient).equal(gradient));
  CHECK(off.arena.twins().size() == 1);
}
