// Bases in few bits, moments in bytes and values in bfloat16 on a device that is not the CPU,
// against the CPU. Include tests/catch.h first.
#pragma once

#include <limits>
#include <string>

#include "core/base_weight.h"
#include "core/memory_ledger.h"
#include "core/range_update.h"
#include "core/sliced_product.h"
#include "tests/device_case.h"
#include "tests/tensors.h"

namespace lethe {

/// A product of each format forward and backward; weights longer than a slice and not.
inline void check_formats(const at::Device& device) {
  for (const std::string& format : base_formats()) {
    if (format == "float") continue;
    for (const int64_t out : {7, 1500, 2100}) {
      constexpr int64_t kIn = 2100, kTokens = 3;
      CAPTURE(format, out);
      const auto drawn = [](std::vector<int64_t> shape, uint64_t seed) {
        return at::empty(shape, at::kFloat).normal_(0, 1, make_generator(seed));
      };
      const auto here = make_base(format, drawn({out, kIn}, 1) / 46);
      auto there = make_base(format, drawn({out, kIn}, 1) / 46);
      there->parameters(
          "", [&](const std::string&, Tensor& value) { value.set_data(value.to(device)); });
      const Tensor x = drawn({kTokens, kIn}, 2), bias = drawn({out}, 3),
                   gy = drawn({kTokens, out}, 4);
      Tensor moved = x.to(device).set_requires_grad(true);
      const int64_t live = device_ledger().live();
      device_ledger().begin("product " + format);
      const Tensor y = there->apply(moved, bias.to(device));
      torch::autograd::backward({y}, {gy.to(device)});
      // Half a weight in float32, and what is small beside it.
      if (out > 1000) {
        CHECK(device_ledger().phases().back().total_peak - live < 3 * out * kIn);
      }
      CHECK(largest_difference(y.detach().cpu(), here->apply(x, bias)) < 1e-4);
      CHECK(largest_difference(moved.grad().cpu(), here->multiply_back(gy)) < 1e-4);
      CHECK(there->dense().detach().cpu().equal(here->dense().detach()));
    }
  }
}

/// Rounding at random by libtorch's operations has the kernel's bits.
inline void check_rounding(const at::Device& device) {
  constexpr int64_t kValues = 5000;
  Tensor values = at::empty({kValues}, at::kFloat).normal_(0, 3, make_generator(1));
  values[7] = std::numeric_limits<float>::infinity();
  values[8] = -std::numeric_limits<float>::infinity();
  for (const uint64_t key : {uint64_t{3}, uint64_t{0xfedcba9876543210}}) {
    const Tensor here = at::empty({kValues}, at::kBFloat16), there = here.to(device);
    round_at_random(values, key, 40, here);
    round_at_random(values.to(device), key, 40, there);
    CHECK(there.cpu().equal(here));
    CHECK_FALSE(here.equal(values.to(at::kBFloat16)));
  }
}

/// Losses of a trial under the levers beside the CPU's.
inline void check_levers_beside(const at::Device& device, const std::string& method,
                                const std::string& levers, double epsilon) {
  CAPTURE(method, levers);
  const auto curve = [&](const at::Device& where) {
    const auto model = mlp(6, 96, 3, 4);  // weights with moments in bytes
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    Method strategies =
        method_of(method, method == "a-gem" ? OptionMap{{"budget", "16"}} : OptionMap{});
    TrainRequest request = small_request(*model, stream, strategies);
    request.device = where;
    request.options.levers = where.is_cpu() ? levers.substr(0, levers.find(",offload")) : levers;
    request.options.lr = 1e-3;
    return train(request).curve;
  };
  const auto there = curve(device), here = curve(at::kCPU);
  REQUIRE(there.size() == here.size());
  for (size_t i = 0; i < here.size(); ++i) {
    CHECK(there[i].loss == Approx(here[i].loss).epsilon(epsilon));
  }
}

inline void check_narrow_levers(const at::Device& device) {
  for (const char* method : {"finetune", "ewc", "si", "lora", "a-gem"}) {
    check_levers_beside(device, method, "adamw8bit", 1e-3);
    check_levers_beside(device, method, "bf16", 5e-3);
    check_levers_beside(device, method, "bf16-stochastic", 5e-3);
  }
  check_levers_beside(device, "finetune", "bf16-stochastic,adamw8bit,optimizer-in-backward", 5e-3);
  check_levers_beside(device, "lora", "bf16,offload-weights,offload-optimizer", 5e-3);
}

}  // namespace lethe
