// The first byte chooses JSON Lines, a JSON array or CSV, the others are the file: records, each
// with its place, or an error.
#include "core/error.h"
#include "core/formats/records.h"
#include "core/formats/utf8.h"
#include "tests/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch folder;
  if (size == 0) return 0;
  const char* names[] = {"rows.jsonl", "rows.json", "rows.csv"};
  const std::string path = folder.write(
      names[data[0] % 3], std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  try {
    for (const lethe::PlacedRecord& record : lethe::read_placed_records(path)) {
      if (record.place.empty()) std::abort();
      for (const auto& [name, text] : record.fields) {
        if (record.fault.empty() && lethe::invalid_utf8_at(text)) std::abort();
      }
    }
  } catch (const lethe::Error&) {
  }
  return 0;
}
