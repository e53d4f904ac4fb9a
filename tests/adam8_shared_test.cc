// Five AdamW steps in 8 and in 32 bits against bitsandbytes': lr 0.01, decay 0.01, its defaults
// otherwise. Values: fixtures/bnb/optim8bit.safetensors (AdamW8bit, PagedAdamW8bit, AdamW32bit).
#include <catch2/catch.hpp>

#include "core/kernels/adam8.h"
#include "core/kernels/byte_map.h"
#include "core/kernels/update.h"
#include "tests/bnb_case.h"
#include "tests/shared.h"

namespace lethe::kernels {
namespace {

constexpr size_t kStepped = 5120;  // 64 by 80

std::vector<float> stepped_array(const SafetensorsFile& file, const std::string& name) {
  return array_of<float>(file.at(name));
}

/// What `name` had after its step t, from 0.
std::vector<float> values_after(const SafetensorsFile& file, const std::string& name, size_t t) {
  const auto all = stepped_array(file, name + ".params_after_each_step");
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(t * kStepped);
  return {begin, begin + kStepped};
}

bool agree(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < b.size(); ++i) {
    if (std::fabs(a[i] - b[i]) > 3e-7f * std::fabs(b[i])) return false;
  }
  return a.size() == b.size();
}

void check_eight_bit_steps(const SafetensorsFile& file, const std::string& name) {
  CAPTURE(name);
  auto value = stepped_array(file, "p0"), gradients = stepped_array(file, "grads");
  std::vector<uint8_t> first(kStepped), second(kStepped);
  std::vector<float> first_absmax(20), second_absmax(20);
  Adam8Step step{.n = kStepped,
                 .value = value.data(),
                 .first = first.data(),
                 .second = second.data(),
                 .first_absmax = first_absmax.data(),
                 .second_absmax = second_absmax.data(),
                 .learning_rate = 0.01,
                 .weight_decay = 0.01};
  clear_moments(step);
  for (size_t t = 0; t < 5; ++t) {
    step.step = static_cast<int64_t>(t + 1);
    step.gradient = gradients.data() + t * kStepped;
    adamw8_step(step);
    CHECK(largest_difference(value, values_after(file, name, t)) < 5e-7f);
  }
  CHECK(first == array_of<uint8_t>(file.at(name + ".state.state1")));
  CHECK(second == array_of<uint8_t>(file.at(name + ".state.state2")));
  CHECK(agree(first_absmax, stepped_array(file, name + ".state.absmax1")));
  CHECK(agree(second_absmax, stepped_array(file, name + ".state.absmax2")));
  const float *with_sign = signed_dynamic_map().values(),
              *without = unsigned_dynamic_map().values();
  CHECK(std::vector<float>(with_sign, with_sign + 256) ==
        stepped_array(file, name + ".state.qmap1"));
  CHECK(std::vector<float>(without, without + 256) == stepped_array(file, name + ".state.qmap2"));
}

}  // namespace

TEST_CASE("five 8-bit steps have bitsandbytes' codes and its values within 5e-7", "[adam8]") {
  const auto path = shared_path("fixtures/bnb/optim8bit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  for (const std::string name : {"adamw8bit", "paged_adamw_8bit"}) {
    check_eight_bit_steps(file, name);
  }
}

TEST_CASE("five 32-bit steps have bitsandbytes' values and moments up to rounding", "[adam8]") {
  const auto path = shared_path("fixtures/bnb/optim8bit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  auto value = stepped_array(file, "p0"), gradients = stepped_array(file, "grads");
  std::vector<float> first(kStepped), second(kStepped);
  Update step{.optimizer = Optimizer::adamw,
              .n = kStepped,
              .value = value.data(),
              .first = first.data(),
              .second = second.data(),
              .learning_rate = 0.01,
              .weight_decay = 0.01};
  for (size_t t = 0; t < 5; ++t) {
    step.step = static_cast<int64_t>(t + 1);
    step.gradient = gradients.data() + t * kStepped;
    update(step);
    CHECK(largest_difference(value, values_after(file, "adamw32bit", t)) < 5e-7f);
  }
  // First moments are sums of either sign, near zero by cancelling: relative to the largest.
  const auto golden = stepped_array(file, "adamw32bit.state.state1");
  const float largest = largest_difference(golden, std::vector<float>(kStepped));
  CHECK(largest_difference(first, golden) < 3e-7f * largest);
  CHECK(agree(second, stepped_array(file, "adamw32bit.state.state2")));
}

}  // namespace lethe::kernels
