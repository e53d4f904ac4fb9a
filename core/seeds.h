// One seed, split by purpose: nothing draws from libtorch's global generator.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/torch.h"

namespace lethe {

/// A seed for one purpose ("init", "order", "dropout", "strategy"), a fixed mix of both arguments.
uint64_t seed_for(int64_t seed, std::string_view purpose);
/// A generator of its own, on the CPU by default. A GPU's gives other numbers for the same seed, so
/// only dropout draws from one: weights and labels are drawn on the CPU and copied.
at::Generator make_generator(uint64_t seed, const at::Device& device = at::Device(at::kCPU));

}  // namespace lethe
