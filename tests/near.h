// Comparing scores and texts.
#pragma once

#include <catch2/catch.hpp>
#include <string>

namespace lethe {

/// Within 1e-9 of `value`.
inline Approx near(double value) { return Approx(value).epsilon(0).margin(1e-9); }

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lethe
