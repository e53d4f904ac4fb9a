// A JSON file, read whole.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/files.h"

inline nlohmann::json json_of(const std::filesystem::path& path) {
  return nlohmann::json::parse(file_bytes(path.string()));
}
