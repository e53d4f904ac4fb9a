// Templates that make a record into text. Free of libtorch.
//
//   {name}             the record's field
//   {name|lf|trim}     the same through filters, from left to right
//   {?name}A{:}B{/}    A where the field holds text, B where it is empty; {:}B may be left out
//   {{ and }}          plain braces
//
// Filters: lf (\r\n becomes \n), unescape (the two characters \n become a line break), trim (no
// white space at the ends), "after TEXT" (what follows the last TEXT) and "before TEXT" (what
// precedes the first).
#pragma once

#include <string>

#include "core/formats/records.h"

namespace lethe {

/// Where a record comes from and what it is for, for messages.
struct RecordPlace {
  std::string at;  ///< "FILE:LINE", as of PlacedRecord
  std::string task;
};

/// The pattern filled with the record. Throws Error with the record's place for a field that it
/// lacks and for a text that "after" or "before" does not find, and naming the pattern for a brace
/// without its partner, an unknown filter and a {?name} that is never closed.
std::string fill_template(const std::string& pattern, const Record& record,
                          const RecordPlace& place);

/// Braces doubled, so that a template yields `text` as it is.
std::string literal_text(const std::string& text);

}  // namespace lethe
