// Comma-separated values, RFC 4180. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe {

struct CsvRow {
  int64_t line = 1;  ///< where the row begins, from 1
  std::vector<std::string> fields;
};

/// All rows, the first line's names included; blank lines are left out. A field may be quoted and
/// then hold commas, line breaks and doubled quotes; a quote inside an unquoted field stands for
/// itself. Throws Error with `path` and line for a quote that is never closed or that text follows.
std::vector<CsvRow> parse_csv(const std::string& path, std::string_view text);

}  // namespace lethe
