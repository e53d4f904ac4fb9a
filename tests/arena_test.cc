// The arena: views, twins that follow the parameters by name, and the digest.
#include "tests/catch.h"
// After Catch.
#include "core/digest.h"
#include "core/loss.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

const ArenaRange& range_of(const Arena& arena, const std::string& name) {
  for (const ArenaRange& range : arena.ranges()) {
    if (range.name == name) return range;
  }
  throw std::runtime_error(name + " is not in the arena");
}

void freeze(Model& model, const std::string& name, bool frozen) {
  for (Parameter& parameter : model.parameters()) {
    if (parameter.name == name) parameter.value.set_requires_grad(!frozen);
  }
}

}  // namespace

TEST_CASE("parameters are views of the arena, and gradients of its gradient") {
  const auto model = mlp(6, 8, 1, 4);
  Arena arena;
  CHECK(arena.lay_out(*model));
  CHECK(arena.parameter_count() == 6 * 8 + 8 + 8 * 4 + 4);
  const ArenaRange& weight = range_of(arena, "fc1.weight");
  CHECK(weight.offset % 16 == 0);
  CHECK(weight.parameter.data_ptr<float>() == arena.values().data_ptr<float>() + weight.offset);
  const RowsPtr rows = random_rows(1, 8, 6, {0, 1, 2, 3});
  const Batch batch = rows->batch({0, 1, 2, 3, 4, 5, 6, 7});
  torch::autograd::backward({task_loss(model->forward(batch), batch)}, {});
  CHECK(weight.parameter.grad().data_ptr<float>() ==
        arena.gradient().data_ptr<float>() + weight.offset);
  CHECK(arena.slice(arena.gradient(), weight).abs().max().item<double>() > 0);
}

TEST_CASE("laying out again carries twins by name and starts new parameters at zero") {
  const auto model = mlp(6, 8, 1, 4);
  freeze(*model, "fc1.bias", true);
  Arena arena;
  arena.lay_out(*model);
  const Twin twin = arena.twin("held");
  const at::NoGradGuard no_grad;
  arena.slice(twin.tensor(), range_of(arena, "fc1.weight")).fill_(1);
  arena.slice(twin.tensor(), range_of(arena, "classifier.weight")).fill_(2);
  const Tensor values = range_of(arena, "fc1.weight").parameter.clone();
  freeze(*model, "fc1.bias", false);
  CHECK(arena.lay_out(*model));
  CHECK(twin.tensor().numel() == arena.size());
  CHECK(arena.slice(twin.tensor(), range_of(arena, "fc1.weight")).eq(1).all().item<bool>());
  CHECK(arena.slice(twin.tensor(), range_of(arena, "classifier.weight")).eq(2).all().item<bool>());
  CHECK(arena.slice(twin.tensor(), range_of(arena, "fc1.bias")).eq(0).all().item<bool>());
  CHECK(range_of(arena, "fc1.weight").parameter.equal(values));
  CHECK_FALSE(arena.lay_out(*model));
}

TEST_CASE("shown values reach the model, and the arena's are back afterwards, unwritten") {
  const auto model = mlp(6, 8, 1, 4);
  Arena arena;
  arena.lay_out(*model);
  const at::NoGradGuard no_grad;
  const RowsPtr rows = random_rows(1, 4, 6, {0, 1, 2, 3});
  const Batch batch = rows->batch({0, 1, 2, 3});
  const Tensor logits = model->forward(batch);
  const std::string digest = arena.digest();
  {
    const Arena::Shown shown(arena, at::zeros_like(arena.values()));
    CHECK(model->forward(batch).abs().max().item<double>() == 0);
  }
  CHECK(model->forward(batch).equal(logits));
  CHECK(arena.digest() == digest);
}

TEST_CASE("the digest follows every value and no gap or gradient") {
  const auto model = mlp(6, 8, 1, 4), twin = mlp(6, 8, 1, 4), other = mlp(6, 8, 1, 4, 8);
  Arena arena, same, different;
  arena.lay_out(*model);
  same.lay_out(*twin);
  different.lay_out(*other);
  CHECK(arena.digest().size() == 64);
  CHECK(arena.digest() == same.digest());
  CHECK(arena.digest() != different.digest());
  std::string bytes;  // names and values, one after the other
  for (const ArenaRange& range : arena.ranges()) {
    const float* from = arena.values().data_ptr<float>() + range.offset;
    bytes += range.name;
    bytes.append(reinterpret_cast<const char*>(from),
                 static_cast<size_t>(range.size) * sizeof(float));
  }
  CHECK(arena.digest() == sha256(bytes));
  const at::NoGradGuard no_grad;
  same.gradient().fill_(1);
  CHECK(arena.digest() == same.digest());
  const ArenaRange& last = same.ranges().back();
  float* value = same.values().data_ptr<float>() + last.offset + last.size - 1;
  *value = std::nextafter(*value, 1.0F);
  CHECK(arena.digest() != same.digest());
}
