// Records of named text fields from JSON Lines, JSON arrays and CSV. Free of libtorch.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace lethe {

/// Field name to text. Numbers and booleans become their JSON text, null an empty text; nested
/// values their compact JSON.
using Record = std::map<std::string, std::string>;

/// By the file's extension: .jsonl, .json (an array of objects), .csv (RFC 4180, first line =
/// names). Throws Error naming file, line (or byte offset) and what was expected; a file without
/// records is an error too.
std::vector<Record> read_records(const std::string& path);

}  // namespace lethe
