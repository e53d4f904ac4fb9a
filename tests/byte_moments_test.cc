// Moments in 8 bits around the fused update, against the kernel of the whole step and by hand.
#include "tests/catch.h"
// After Catch.
#include "core/byte_moments.h"
#include "core/kernels/adam8.h"
#include "tests/tensors.h"
#include "tests/token_case.h"

using namespace lethe;

namespace {

constexpr int64_t kLarge = 5000, kSmall = 100;

/// z = W x with one weight in bytes and one in float32.
class TwoLayers : public Model {
 public:
  TwoLayers()
      : large_("large", at::randn({kLarge / 50, 50}, make_generator(1)), {}),
        small_("small", at::randn({2, kSmall / 2}, make_generator(2)), {}) {}
  Tensor forward(const Batch& batch) override { return large_.forward(batch.inputs); }
  std::vector<Seam*> seams() override { return {&large_, &small_}; }

 private:
  Linear large_, small_;
};

kernels::Update byte_step(const Arena& arena, int64_t number) {
  kernels::Update step;
  step.n = arena.size();
  step.value = arena.values().data_ptr<float>();
  step.gradient = arena.gradient().data_ptr<float>();
  step.learning_rate = 1e-2;
  step.weight_decay = 0.1;
  step.step = number;
  return step;
}

void fill_gradient(const Arena& arena, uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const ArenaRange& range : arena.ranges()) {
    arena.slice(arena.gradient(), range).normal_(0, 1, make_generator(seed));
  }
}

}  // namespace

TEST_CASE("five steps with moments in bytes are the 8-bit AdamW kernel's to rounding") {
  TwoLayers model;
  Arena arena;
  arena.lay_out(model);
  ByteMoments moments;
  moments.lay_out(arena, true);
  const ArenaRange range = arena.ranges()[0];
  Tensor value = range.parameter.detach().clone().view({-1});
  std::vector<uint8_t> first(kLarge), second(kLarge);
  std::vector<float> first_absmax(20), second_absmax(20);
  kernels::Adam8Step reference;
  reference.n = kLarge;
  reference.value = value.data_ptr<float>();
  reference.first = first.data();
  reference.second = second.data();
  reference.first_absmax = first_absmax.data();
  reference.second_absmax = second_absmax.data();
  reference.learning_rate = 1e-2;
  reference.weight_decay = 0.1;
  kernels::clear_moments(reference);
  for (int64_t number = 1; number <= 5; ++number) {
    fill_gradient(arena, static_cast<uint64_t>(number));
    Tensor gradient = arena.gradient().narrow(0, range.offset, kLarge).clone();
    reference.gradient = gradient.data_ptr<float>();
    reference.step = number;
    kernels::adamw8_step(reference);
    moments.update(arena, byte_step(arena, number));
  }
  // A moment whose rounding falls on the other side of a midpoint is a neighbouring code.
  const Tensor differences = (range.parameter.detach().view({-1}) - value).abs();
  CHECK(differences.median().item<double>() < 1e-6);
  CHECK((differences > 1e-5).sum().item<int64_t>() < kLarge / 200);
  CHECK(arena.gradient().abs().max().item<double>() == 0);
}

TEST_CASE(
    "a first step is the float32 step, with a quadratic term and a path, and small ones all") {
  TwoLayers model, same;
  Arena arena, plain;
  arena.lay_out(model);
  plain.lay_out(same);
  ByteMoments moments;
  moments.lay_out(arena, true);
  const Twin first = plain.twin("first"), second = plain.twin("second");
  const auto added = [](Arena& to, kernels::Update& step) {
    const Twin anchor = to.twin("anchor"), importance = to.twin("importance"),
               path = to.twin("path");
    importance.tensor().fill_(2);
    step.terms = 1;
    step.term[0] = {0.5, importance.tensor().data_ptr<float>(), anchor.tensor().data_ptr<float>()};
    step.paths = 1;
    step.path[0] = {path.tensor().data_ptr<float>(), false};
  };
  for (int64_t number = 1; number <= 3; ++number) {
    fill_gradient(arena, static_cast<uint64_t>(number));
    fill_gradient(plain, static_cast<uint64_t>(number));
    kernels::Update bytes = byte_step(arena, number), floats = byte_step(plain, number);
    floats.first = first.tensor().data_ptr<float>();
    floats.second = second.tensor().data_ptr<float>();
    added(arena, bytes);
    added(plain, floats);
    CHECK(moments.update(arena, bytes) == Approx(kernels::update(floats)).epsilon(1e-3));
    const auto equal = [&](size_t range) {
      return arena.ranges()[range].parameter.equal(plain.ranges()[range].parameter);
    };
    CHECK(equal(1));
    if (number == 1) {
      CHECK(equal(0));
      CHECK(arena.twin("path").tensor().equal(plain.twin("path").tensor()));
    } else {
      CHECK(!equal(0));  // the moments were rounded
      CHECK(largest_difference(arena.values(), plain.values()) < 5e-3);
    }
  }
}

TEST_CASE("byte moments are carried over by name, cleared when asked, and archived") {
  TwoLayers model;
  Arena arena;
  arena.lay_out(model);
  const auto values_after = [&](ByteMoments& moments) {
    const Tensor before = arena.values().clone();
    fill_gradient(arena, 9);
    moments.update(arena, byte_step(arena, 2));
    const Tensor after = arena.values().clone();
    arena.values().copy_(before);
    return after;
  };
  const at::NoGradGuard no_grad;
  ByteMoments moments, fresh, read;
  moments.lay_out(arena, true);
  fresh.lay_out(arena, true);
  read.lay_out(arena, true);
  fill_gradient(arena, 3);
  moments.update(arena, byte_step(arena, 1));
  std::map<std::string, Tensor> tensors;
  Archive writing(Archive::Direction::write, tensors);
  moments.state(writing);
  Archive reading(Archive::Direction::read, tensors);
  read.state(reading);
  moments.lay_out(arena, false);
  const Tensor carried = values_after(moments);
  CHECK(carried.equal(values_after(read)));
  CHECK(!carried.equal(values_after(fresh)));
  moments.lay_out(arena, true);
  ByteMoments zero;
  zero.lay_out(arena, true);
  CHECK(values_after(moments).equal(values_after(zero)));
}
