#include "core/text/json_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/formats/file_bytes.h"

namespace lethe {

using nlohmann::json;

json parse_json_file(const std::string& path) {
  const std::string text = file_bytes(path);
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    fail("{} is no valid JSON at byte {} of {}; fetch the file again", path,
         error.byte == 0 ? 0 : error.byte - 1, text.size());
  } catch (const json::exception&) {
    fail("{} is no valid JSON: a number is out of range; fetch the file again", path);
  }
}

void JsonAt::fail_expecting(std::string_view expected) const {
  fail("{}: expected {}, found {}", where_, expected, value_->type_name());
}

std::optional<JsonAt> JsonAt::find(const std::string& key) const {
  const auto found = object().find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  const bool top = where_.find(": ") == std::string::npos;
  return JsonAt(*found, where_ + (top ? ": " : ".") + key);
}

JsonAt JsonAt::at(const std::string& key) const {
  if (const auto found = find(key)) return *found;
  fail("{} has no member '{}'", where_, key);
}

JsonAt JsonAt::at(size_t index) const {
  return {value_->at(index), fmt::format("{}[{}]", where_, index)};
}

size_t JsonAt::size() const {
  if (!value_->is_array()) fail_expecting("an array");
  return value_->size();
}

std::string JsonAt::text() const {
  if (!value_->is_string()) fail_expecting("a text");
  return value_->get<std::string>();
}

int64_t JsonAt::integer() const {
  if (!value_->is_number_integer()) fail_expecting("a whole number");
  return value_->get<int64_t>();
}

bool JsonAt::flag() const {
  if (!value_->is_boolean()) fail_expecting("true or false");
  return value_->get<bool>();
}

std::string JsonAt::text(const std::string& key, const std::string& absent) const {
  const auto found = find(key);
  return found ? found->text() : absent;
}

bool JsonAt::flag(const std::string& key, bool absent) const {
  const auto found = find(key);
  return found ? found->flag() : absent;
}

const json& JsonAt::object() const {
  if (!value_->is_object()) fail_expecting("an object");
  return *value_;
}

}  // namespace lethe
