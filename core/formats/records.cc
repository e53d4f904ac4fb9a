#include "core/formats/records.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string_view>

#include "core/error.h"
#include "core/formats/csv.h"
#include "core/formats/file_bytes.h"
#include "core/formats/utf8.h"

namespace lethe {
namespace {

using nlohmann::json;

/// `first_line` is the number of the text's first line in the file.
json parse_json(const std::string& path, int64_t first_line, std::string_view text) {
  constexpr int kDeepest = 64;  // printing a value recurses
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail("{}: a value is nested more than {} levels deep", path, kDeepest);
    return true;
  };
  try {
    return json::parse(text, shallow);
  } catch (const json::parse_error& error) {
    const std::string_view before = text.substr(0, error.byte == 0 ? 0 : error.byte - 1);
    const int64_t line = first_line + std::count(before.begin(), before.end(), '\n');
    const size_t start = before.rfind('\n') + 1;  // npos + 1 = 0
    const size_t column = before.size() - start + 1;
    if (before.size() >= text.size()) {
      fail("{}:{}: the JSON ends at column {}, expected the rest of it; is the file cut off?", path,
           line, column);
    }
    fail("{}:{}: no valid JSON at column {}", path, line, column);
  } catch (const json::exception&) {
    fail("{}:{}: a number is out of range", path, first_line);
  }
}

std::string field_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "" : value.dump();
}

/// `place` is as of PlacedRecord.
Record record_of(const std::string& place, const json& object) {
  if (!object.is_object()) fail("{}: expected a JSON object, found {}", place, object.type_name());
  Record record;
  for (const auto& [name, value] : object.items()) record[name] = field_text(value);
  return record;
}

std::string fault_of(std::string_view text) {
  const auto at = invalid_utf8_at(text);
  return at ? fmt::format("invalid UTF-8 at byte {} of the record", *at + 1) : "";
}

std::vector<PlacedRecord> read_json_lines(const std::string& path, std::string_view text) {
  std::vector<PlacedRecord> records;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    PlacedRecord& record = records.emplace_back();
    record.place = fmt::format("{}:{}", path, number);
    record.fault = fault_of(line);
    if (!record.fault.empty()) continue;
    record.fields = record_of(record.place, parse_json(path, number, line));
  }
  return records;
}

/// Where the text that a quote opens at `open` closes, in valid JSON.
size_t closing_quote(std::string_view text, size_t open) {
  for (size_t at = text.find('"', open + 1);; at = text.find('"', at + 1)) {
    const size_t before = text.find_last_not_of('\\', at - 1);  // the opening one at the latest
    if ((at - before) % 2 == 1) return at;                      // backslashes in pairs, or none
  }
}

/// The line on which each element of a valid JSON array begins, from 1.
std::vector<int64_t> element_lines(std::string_view array) {
  std::vector<int64_t> lines;
  int64_t line = 1, depth = 0;
  bool due = false;  // an element, after the bracket and after each comma between elements
  for (size_t at = 0; at < array.size(); ++at) {
    const char c = array[at];
    if (c == '\n') ++line;  // never within a text, where it is written as an escape
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (due && c != ']') lines.push_back(line);
    due = c == ',' && depth == 1;
    if (c == '"') {
      at = closing_quote(array, at);
    } else if (c == '[' || c == '{') {
      due = ++depth == 1;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) break;
    }
  }
  return lines;
}

std::vector<PlacedRecord> read_json_array(const std::string& path, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  if (const auto bad = invalid_utf8_at(text)) {
    const std::string_view before = text.substr(0, *bad);
    fail("{}:{}: invalid UTF-8 at byte {} of the line; save the file as UTF-8", path,
         1 + std::count(before.begin(), before.end(), '\n'), *bad - (before.rfind('\n') + 1) + 1);
  }
  const json parsed = parse_json(path, 1, text);
  if (!parsed.is_array()) {
    fail("{}: expected a JSON array of objects, found {}; one object a line is read from .jsonl",
         path, parsed.type_name());
  }
  std::vector<PlacedRecord> records;
  const std::vector<int64_t> lines = element_lines(text);
  for (const json& object : parsed) {
    const size_t at = records.size();
    std::string place = fmt::format("{}:{}", path, lines.at(at));
    if (at > 0 && lines[at] == lines[at - 1]) place += fmt::format(" (record {})", at + 1);
    records.push_back({place, record_of(place, object)});
  }
  return records;
}

std::vector<PlacedRecord> read_csv(const std::string& path, std::string_view text) {
  const std::vector<CsvRow> rows = parse_csv(path, text);
  if (rows.empty()) return {};
  const std::vector<std::string>& names = rows[0].fields;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      fail("{}:{}: the column '{}' stands twice in the first line", path, rows[0].line, name);
    }
  }
  std::vector<PlacedRecord> records;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].fields.size() != names.size()) {
      fail("{}:{}: {} fields, expected the {} of the first line", path, rows[i].line,
           rows[i].fields.size(), names.size());
    }
    PlacedRecord& record = records.emplace_back();
    record.place = fmt::format("{}:{}", path, rows[i].line);
    record.fault = fault_of(fmt::format("{}", fmt::join(rows[i].fields, ",")));
    if (!record.fault.empty()) continue;
    for (size_t j = 0; j < names.size(); ++j) record.fields[names[j]] = rows[i].fields[j];
  }
  return records;
}

}  // namespace

std::string file_text(const std::string& path) {
  std::string bytes = file_bytes(path);
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
  return bytes;
}

std::vector<PlacedRecord> read_placed_records(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension != ".jsonl" && extension != ".json" && extension != ".csv") {
    fail("cannot read {}: unknown extension '{}'; known: .csv, .json, .jsonl", path, extension);
  }
  const std::string text = file_text(path);
  std::vector<PlacedRecord> records = extension == ".jsonl"  ? read_json_lines(path, text)
                                      : extension == ".json" ? read_json_array(path, text)
                                                             : read_csv(path, text);
  if (records.empty()) fail("{} holds no records", path);
  return records;
}

std::vector<Record> read_records(const std::string& path) {
  std::vector<Record> records;
  for (PlacedRecord& record : read_placed_records(path)) {
    if (!record.fault.empty()) fail("{}: {}; save the file as UTF-8", record.place, record.fault);
    records.push_back(std::move(record.fields));
  }
  return records;
}

}  // namespace lethe
