#include "experiments/predict_rows.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/utf8.h"

namespace lethe {
namespace {

using Json = nlohmann::ordered_json;  // records keep the order of their fields

Json parsed(const std::string& line, const std::string& place) {
  try {
    Json record = Json::parse(line);
    if (record.is_object()) return record;
  } catch (const Json::exception&) {  // said below
  }
  fail("{}: expected one JSON object a line, found: {}", place, line.substr(0, 60));
}

std::string text_under(const Json& record, const std::string& field, const std::string& place,
                       const char* what, const char* option) {
  const auto found = record.find(field);
  if (found == record.end() || !found->is_string()) {
    fail("{}: the record has no text under '{}'; name the field that holds {} with {}", place,
         field, what, option);
  }
  return found->get<std::string>();
}

PredictRow row_of(const std::string& line, const std::string& field, const std::string& second,
                  bool adapters, const std::string& place) {
  if (const auto bad = invalid_utf8_at(line)) {
    fail("{}: invalid UTF-8 at byte {} of the record; save the file as UTF-8", place, *bad + 1);
  }
  const Json record = parsed(line, place);
  PredictRow row{text_under(record, field, place, "prompts", "--field"), line,
                 place + ": the prompt"};
  if (!second.empty()) row.second = text_under(record, second, place, "second texts", "--second");
  const auto adapter = record.find("adapter");
  if (!adapters || adapter == record.end() || adapter->is_null()) return row;
  if (!adapter->is_string()) {
    fail(
        "{}: 'adapter' is {}; expected an adapter's name as text, or choose one for all rows with "
        "--use",
        place, adapter->dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60));
  }
  row.adapter = adapter->get<std::string>();
  return row;
}

/// The row's record with these fields added, or replaced where they were there.
std::string line_with(const PredictRow& row, const Json& fields) {
  Json record = Json::parse(row.record);
  record.update(fields);
  return record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<PredictRow> read_predict_rows(const std::string& path, const std::string& field,
                                          const std::string& second, bool adapters) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path)) {
      fail("{} can't be read; give a file of JSON Lines, or - for standard input", path);
    }
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::vector<PredictRow> rows;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    rows.push_back(row_of(line, field, second, adapters, fmt::format("{}:{}", path, number)));
  }
  if (rows.empty()) fail("{} holds no rows; give one JSON object a line", path);
  return rows;
}

std::string predicted_line(const PredictRow& row, const std::string& generated, bool ended) {
  return line_with(row, {{"generated", generated}, {"ended", ended}});
}

std::string classified_line(const PredictRow& row, const std::string& label, double probability) {
  return line_with(row, {{"label", label}, {"probability", probability}});
}

std::vector<int64_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt,
                                const std::string& name) {
  std::vector<int64_t> ids = tokenizer.marks().before;
  const std::vector<int64_t> text = tokenizer.encode(prompt);
  ids.insert(ids.end(), text.begin(), text.end());
  if (ids.empty()) {
    fail("{} is empty, and this tokenizer puts no mark before a text; give it a text", name);
  }
  return ids;
}

std::string fresh_text(const std::string& text, size_t shown) {
  size_t end = text.size();
  // A replacement character at the end stands for bytes that the next token may complete.
  while (end >= shown + 3 && text.compare(end - 3, 3, "\xEF\xBF\xBD") == 0) end -= 3;
  size_t start = end;  // of the last character
  while (start > shown && (static_cast<unsigned char>(text[start - 1]) & 0xC0) == 0x80) --start;
  if (start > shown) {
    const auto lead = static_cast<unsigned char>(text[start - 1]);
    const size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (end - (start - 1) < wanted) end = start - 1;
  }
  return end > shown ? text.substr(shown, end - shown) : "";
}

}  // namespace lethe
