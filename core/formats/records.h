// Records of named text fields from JSON Lines, JSON arrays and CSV. Free of libtorch.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace lethe {

/// Field name to text. Numbers and booleans become their JSON text, null an empty text; nested
/// values their compact JSON.
using Record = std::map<std::string, std::string>;

/// A record and where it begins: "FILE:LINE", or in a JSON array for those that share a line with
/// the one before "FILE:LINE (record N)", from 1.
struct PlacedRecord {
  std::string place;
  Record fields;
  std::string fault = {};  ///< "invalid UTF-8 at byte N of the record", whose fields are then empty
};

/// A file's bytes, without a UTF-8 byte order mark. Throws Error for one that can't be read.
std::string file_text(const std::string& path);

/// By the file's extension: .jsonl, .json (an array of objects), .csv (RFC 4180, first line =
/// names). Throws Error naming file, line (or byte offset) and what was expected; a file without
/// records is an error too. A record of JSON Lines or CSV that is no UTF-8 has a fault; in a JSON
/// array it is an error of the file.
std::vector<PlacedRecord> read_placed_records(const std::string& path);

/// The records alone. Throws Error for one with a fault.
std::vector<Record> read_records(const std::string& path);

}  // namespace lethe
