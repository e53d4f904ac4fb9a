// JSON files read member by member, each with its place in messages. Free of libtorch.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lethe {

/// The file's value. Throws Error naming the file and the byte where it is no valid JSON.
nlohmann::json parse_json_file(const std::string& path);

/// A value and where it stands: "gpt2/tokenizer.json: model.vocab". Every getter throws Error with
/// that place, what was expected and what was found. Does not own the value.
class JsonAt {
 public:
  JsonAt(const nlohmann::json& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& where() const { return where_; }

  /// The member of an object; nullopt where it is absent or null.
  std::optional<JsonAt> find(const std::string& key) const;
  /// As find, but throws where that is nullopt.
  JsonAt at(const std::string& key) const;
  /// Element `index` of an array, which has it.
  JsonAt at(size_t index) const;
  /// Elements of an array.
  size_t size() const;

  std::string text() const;
  int64_t integer() const;
  bool flag() const;
  std::string text(const std::string& key, const std::string& absent) const;
  bool flag(const std::string& key, bool absent) const;
  /// Throws unless the value is an object.
  const nlohmann::json& object() const;
  [[noreturn]] void fail_expecting(std::string_view expected) const;

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace lethe
