// Templates that make a record into text. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/formats/records.h"

namespace lethe {

/// Where a record comes from and what it is for, for messages.
struct RecordPlace {
  std::string file;
  int64_t number = 1;  ///< of the record in its file, from 1
  std::string task;
};

/// The pattern with every {field} replaced by the record's text; "{{" and "}}" are plain braces.
/// Throws Error for a field that the record lacks and for a brace without its partner.
std::string fill_template(const std::string& pattern, const Record& record,
                          const RecordPlace& place);

}  // namespace lethe
