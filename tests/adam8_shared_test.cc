// Five 8-bit AdamW steps against bitsandbytes': lr 0.01, decay 0.01, its defaults otherwise.
#include <catch2/catch.hpp>

#include "core/kernels/adam8.h"
#include "core/kernels/byte_map.h"
#include "tests/bnb_case.h"
#include "tests/shared.h"

namespace lethe::kernels {

TEST_CASE("five 8-bit steps have bitsandbytes' codes and its values within 5e-7", "[adam8]") {
  const auto path = shared_path("fixtures/bnb/optim8bit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  const auto floats = [&](const std::string& name) { return array_of<float>(file.at(name)); };
  constexpr size_t kCount = 64 * 80;
  auto value = floats("p0"), gradients = floats("grads");
  std::vector<uint8_t> first(kCount), second(kCount);
  std::vector<float> first_absmax(20), second_absmax(20);
  Adam8Step step{.n = kCount,
                 .value = value.data(),
                 .first = first.data(),
                 .second = second.data(),
                 .first_absmax = first_absmax.data(),
                 .second_absmax = second_absmax.data(),
                 .learning_rate = 0.01,
                 .weight_decay = 0.01};
  clear_moments(step);
  for (const std::string name : {"adamw8bit", "paged_adamw_8bit"}) {
    CHECK(file.at(name + ".state.state1").bytes == kCount);
  }
  const auto expected = floats("adamw8bit.params_after_each_step");
  for (size_t t = 0; t < 5; ++t) {
    step.step = static_cast<int64_t>(t + 1);
    step.gradient = gradients.data() + t * kCount;
    adamw8_step(step);
    const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(t * kCount);
    CHECK(largest_difference(value, {begin, begin + kCount}) < 5e-7f);
  }
  CHECK(first == array_of<uint8_t>(file.at("adamw8bit.state.state1")));
  CHECK(second == array_of<uint8_t>(file.at("adamw8bit.state.state2")));
  const auto near = [](float a, float b) { return std::fabs(a - b) <= 3e-7f * std::fabs(b); };
  for (size_t block = 0; block < 20; ++block) {
    CHECK(near(first_absmax[block], floats("adamw8bit.state.absmax1")[block]));
    CHECK(near(second_absmax[block], floats("adamw8bit.state.absmax2")[block]));
  }
  const float *with_sign = signed_dynamic_map().values(),
              *without = unsigned_dynamic_map().values();
  CHECK(std::vector<float>(with_sign, with_sign + 256) == floats("adamw8bit.state.qmap1"));
  CHECK(std::vector<float>(without, without + 256) == floats("adamw8bit.state.qmap2"));
}

}  // namespace lethe::kernels
