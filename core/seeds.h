// One seed, split by purpose: nothing draws from libtorch's global generator.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/torch.h"

namespace lethe {

/// A seed for one purpose ("init", "order", "dropout", "strategy"), a fixed mix of both arguments.
uint64_t seed_for(int64_t seed, std::string_view purpose);
/// A CPU generator of its own.
at::Generator make_generator(uint64_t seed);

}  // namespace lethe
