#include "core/formats/records.h"

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

namespace lethe {
namespace {

using nlohmann::json;

std::string whole_file(const std::string& path) {
  if (std::filesystem::is_directory(path)) fail("cannot read {}: it is a folder", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot open {}: {}", path, std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) fail("cannot read {}: {}", path, std::strerror(errno));
  return text.str();
}

std::string_view without_byte_order_mark(std::string_view text) {
  return text.substr(0, 3) == "\xef\xbb\xbf" ? text.substr(3) : text;
}

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

/// `place` is "file:line" or "file: record n".
Record record_of(const std::string& place, const json& object) {
  if (!object.is_object()) fail("{}: expected a JSON object, found {}", place, object.type_name());
  Record record;
  for (const auto& [name, value] : object.items()) record[name] = field_text(value);
  return record;
}

std::vector<Record> read_json_lines(const std::string& path, std::string_view text) {
  std::vector<Record> records;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    records.push_back(
        record_of(fmt::format("{}:{}", path, number), parse_json(path, number, line)));
  }
  return records;
}

std::vector<Record> read_json_array(const std::string& path, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  const json parsed = parse_json(path, 1, text);
  if (!parsed.is_array()) {
    fail("{}: expected a JSON array of objects, found {}; one object a line is read from .jsonl",
         path, parsed.type_name());
  }
  std::vector<Record> records;
  for (const json& object : parsed) {
    records.push_back(record_of(fmt::format("{}: record {}", path, records.size() + 1), object));
  }
  return records;
}

std::vector<Record> read_csv(const std::string& path, std::string_view text) {
  const std::vector<CsvRow> rows = parse_csv(path, text);
  if (rows.empty()) return {};
  const std::vector<std::string>& names = rows[0].fields;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      fail("{}:{}: the column '{}' stands twice in the first line", path, rows[0].line, name);
    }
  }
  std::vector<Record> records;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].fields.size() != names.size()) {
      fail("{}:{}: {} fields, expected the {} of the first line", path, rows[i].line,
           rows[i].fields.size(), names.size());
    }
    Record& record = records.emplace_back();
    for (size_t j = 0; j < names.size(); ++j) record[names[j]] = rows[i].fields[j];
  }
  return records;
}

}  // namespace

std::vector<Record> read_records(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension != ".jsonl" && extension != ".json" && extension != ".csv") {
    fail("cannot read {}: unknown extension '{}'; known: .csv, .json, .jsonl", path, extension);
  }
  const std::string content = whole_file(path);
  const std::string_view text = without_byte_order_mark(content);
  const std::vector<Record> records = extension == ".jsonl"  ? read_json_lines(path, text)
                                      : extension == ".json" ? read_json_array(path, text)
                                                             : read_csv(path, text);
  if (records.empty()) fail("{} holds no records", path);
  return records;
}

}  // namespace lethe
