// Equality of scores.
#pragma once

#include <catch2/catch.hpp>

namespace lethe {

/// Within 1e-9 of `value`.
inline Approx near(double value) { return Approx(value).epsilon(0).margin(1e-9); }

}  // namespace lethe
