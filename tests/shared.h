// Where tests find real data and fixtures that are not part of the repository.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

/// The path of `relative` in the folder $LETHE_SHARED, or else in ../shared beside the repository
/// (LETHE_SOURCE_DIR is the repository's root). Where it is absent: nullopt after a line that says
/// so, for the test to return early; or an exception where LETHE_REQUIRE_SHARED=1, as in CI.
inline std::optional<std::filesystem::path> shared_path(const std::string& relative) {
  const char* given = std::getenv("LETHE_SHARED");
  const std::filesystem::path root =
      given != nullptr ? std::filesystem::path(given)
                       : std::filesystem::path(LETHE_SOURCE_DIR).parent_path() / "shared";
  if (std::filesystem::exists(root / relative)) return root / relative;
  const char* required = std::getenv("LETHE_REQUIRE_SHARED");
  if (required != nullptr && std::string(required) == "1") {
    throw std::runtime_error("LETHE_REQUIRE_SHARED=1, but ../shared/" + relative + " is not here");
  }
  std::printf("SKIPPED: ../shared/%s is not here\n", relative.c_str());
  return std::nullopt;
}
