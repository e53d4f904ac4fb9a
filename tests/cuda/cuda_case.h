// Where tests find a GPU. Include tests/catch.h first.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/update.h"

namespace lethe {

/// The first GPU. Where there is none: nullopt after a line that says so, for the test to return
/// early; or the error where LETHE_REQUIRE_CUDA=1, as on a machine that is meant to have one.
inline std::optional<at::Device> cuda_device() {
  try {
    return open_device("cuda");
  } catch (const Error& error) {
    const std::string message = error.what();
    const char* required = std::getenv("LETHE_REQUIRE_CUDA");
    const bool must = required != nullptr && std::string(required) == "1";
    if (must || message.rfind("no CUDA device", 0) != 0) throw;
    std::printf("SKIPPED: %s\n", message.c_str());
    return std::nullopt;
  }
}

}  // namespace lethe
