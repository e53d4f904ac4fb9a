// Updates of values in bfloat16 against the float32 update of what they store, bit for bit.
#include "core/range_update.h"

#include "tests/catch.h"
// After Catch.
#include "core/byte_moments.h"
#include "core/kernels/bf16_round.h"
#include "core/update.h"
#include "tests/tensors.h"
#include "tests/token_case.h"

using namespace lethe;

namespace {

constexpr int64_t kManyValues = 40000, kFewValues = 100;

/// Two weights, the one longer than a piece, the other shorter than what has moments in bytes.
class TwoWeights : public Model {
 public:
  TwoWeights()
      : large_("large", values(kManyValues / 50, 50, 1), {}),
        small_("small", values(2, kFewValues / 2, 2), {}) {}
  Tensor forward(const Batch& batch) override { return large_.forward(batch.inputs); }
  std::vector<Seam*> seams() override { return {&large_, &small_}; }

 private:
  static Tensor values(int64_t out, int64_t in, uint64_t seed) {
    return at::empty({out, in}, at::kFloat).normal_(0, 1, make_generator(seed));
  }
  Linear large_, small_;
};

/// An arena in one form beside a plain one, given the same gradients, rounded to bfloat16.
struct Pair {
  explicit Pair(ValueStore store) {
    arena.store_as(store);
    arena.lay_out(model);
    plain.lay_out(same);
    plain.values().copy_(arena.values());
  }

  kernels::Update step(Arena& of, int64_t number) {
    kernels::Update made;
    made.n = of.size();
    const bool floats = of.values().scalar_type() == at::kFloat;
    made.value = floats ? of.values().data_ptr<float>() : nullptr;
    if (&of == &plain) made.gradient = of.gradient().data_ptr<float>();
    made.learning_rate = 1e-2;
    made.weight_decay = 0.1;
    made.step = number;
    const Twin first = of.twin("first"), second = of.twin("second"), anchor = of.twin("anchor"),
               importance = of.twin("importance"), path = of.twin("path");
    made.first = first.tensor().data_ptr<float>();
    made.second = second.tensor().data_ptr<float>();
    importance.tensor().fill_(2);
    made.terms = 1;
    made.term[0] = {0.5, importance.tensor().data_ptr<float>(), anchor.tensor().data_ptr<float>()};
    made.paths = 1;
    made.path[0] = {path.tensor().data_ptr<float>(), false};
    return made;
  }

  void fill(uint64_t seed) {
    for (const ArenaRange& range : arena.ranges()) {
      const Tensor drawn = at::empty({range.size}, at::kFloat).normal_(0, 1, make_generator(seed));
      arena.gradient().narrow(0, range.offset, range.size).copy_(drawn);
      plain.gradient().narrow(0, range.offset, range.size).copy_(drawn.to(at::kBFloat16));
    }
  }

  TwoWeights model, same;
  Arena arena, plain;
};

const at::Device kCpu(at::kCPU);

}  // namespace

TEST_CASE("masters move as float32 values do, and the model shows them rounded") {
  const at::NoGradGuard no_grad;
  Pair pair(ValueStore::bf16_with_master);
  REQUIRE(pair.arena.gradient().scalar_type() == at::kBFloat16);
  for (int64_t number = 1; number <= 4; ++number) {
    pair.fill(static_cast<uint64_t>(number));
    const RangeUpdate update(pair.arena, kCpu, nullptr, 1), plain(pair.plain, kCpu, nullptr, 1);
    const kernels::Update half = pair.step(pair.arena, number),
                          whole = pair.step(pair.plain, number);
    CHECK(update.squared_norm(half) == Approx(plain.squared_norm(whole)).epsilon(1e-9));
    CHECK(update.move(half) == Approx(plain.move(whole)).epsilon(1e-9));
    CHECK(pair.arena.values().equal(pair.plain.values()));
    CHECK(pair.arena.shown().equal(pair.plain.values().to(at::kBFloat16)));
    CHECK(pair.arena.twin("path").tensor().equal(pair.plain.twin("path").tensor()));
    CHECK(pair.arena.gradient().eq(0).all().item<bool>());
  }
  CHECK(pair.arena.ranges()[0].parameter.data_ptr() == pair.arena.shown().data_ptr());
}

TEST_CASE("values without masters move as float32 ones and are rounded at random each step") {
  const at::NoGradGuard no_grad;
  Pair pair(ValueStore::bf16);
  for (int64_t number = 1; number <= 4; ++number) {
    const auto key = static_cast<uint64_t>(1000 + number);
    pair.fill(static_cast<uint64_t>(number));
    RangeUpdate(pair.arena, kCpu, nullptr, key).move(pair.step(pair.arena, number));
    RangeUpdate(pair.plain, kCpu, nullptr, key).move(pair.step(pair.plain, number));
    for (const ArenaRange& range : pair.arena.ranges()) {
      std::vector<uint16_t> bits(static_cast<size_t>(range.size));
      const Tensor moved = pair.plain.values().narrow(0, range.offset, range.size);
      kernels::round_at_random_reference(moved.data_ptr<float>(), range.size, key,
                                         static_cast<uint64_t>(range.offset), bits.data());
      const Tensor found = pair.arena.values().narrow(0, range.offset, range.size);
      CHECK(std::memcmp(found.data_ptr(), bits.data(), bits.size() * 2) == 0);
      moved.copy_(found);
    }
  }
  CHECK(pair.arena.values().data_ptr() == pair.arena.shown().data_ptr());
}

TEST_CASE("pieces of values find their moments in bytes") {
  const at::NoGradGuard no_grad;
  Pair pair(ValueStore::bf16_with_master);
  ByteMoments moments, plain;
  moments.lay_out(pair.arena, true);
  plain.lay_out(pair.plain, true);
  for (int64_t number = 1; number <= 3; ++number) {
    pair.fill(static_cast<uint64_t>(number));
    RangeUpdate(pair.arena, kCpu, &moments, 1).move(pair.step(pair.arena, number));
    RangeUpdate(pair.plain, kCpu, &plain, 1).move(pair.step(pair.plain, number));
    CHECK(pair.arena.values().equal(pair.plain.values()));
  }
}

TEST_CASE("a small step is lost to the nearest rounding and kept on average at random") {
  const at::NoGradGuard no_grad;
  TwoWeights model;
  Random random(5);
  for (Seam* seam : model.seams()) {
    seam->parameters([](const std::string&, Tensor& value) { value.fill_(1); });
  }
  Arena arena;
  arena.store_as(ValueStore::bf16);
  arena.lay_out(model);
  kernels::Update step;
  step.optimizer = kernels::Optimizer::sgd;
  step.n = arena.size();
  step.learning_rate = 1e-4;  // a bfloat16 step at 1 is 2^-8 downwards
  for (int64_t number = 1; number <= 50; ++number) {
    arena.gradient().fill_(1);
    step.step = number;
    RangeUpdate(arena, kCpu, nullptr, random.next()).move(step);
  }
  const Tensor large = arena.ranges()[0].parameter.to(at::kFloat);
  CHECK(at::tensor({1.0f - 1e-4f}).to(at::kBFloat16).item<float>() == 1);
  // 50 draws of a step of 2^-8 with probability 0.0256: a deviation of 0.0044 a value.
  CHECK(large.mean().item<double>() ==
        Approx(1 - 50e-4).margin(5 * 0.0044 / std::sqrt(kManyValues)));
}

TEST_CASE("masters go on where parameters are laid out again, and what was set anew begins there") {
  const at::NoGradGuard no_grad;
  Pair pair(ValueStore::bf16_with_master);
  pair.fill(1);
  RangeUpdate(pair.arena, kCpu, nullptr, 1).move(pair.step(pair.arena, 1));
  const Tensor masters = pair.arena.values().clone();
  REQUIRE_FALSE(masters.equal(masters.to(at::kBFloat16).to(at::kFloat)));
  pair.model.linears()[1]->set_trainable(false);
  REQUIRE(pair.arena.lay_out(pair.model));
  CHECK(pair.arena.values().equal(masters.narrow(0, 0, pair.arena.size())));
  pair.arena.ranges()[0].parameter.fill_(0.5);
  pair.model.linears()[1]->set_trainable(true);
  REQUIRE(pair.arena.lay_out(pair.model));
  CHECK(pair.arena.slice(pair.arena.values(), pair.arena.ranges()[0]).eq(0.5).all().item<bool>());
}
