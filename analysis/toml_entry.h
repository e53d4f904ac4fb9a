// Tables of the TOML files that a report or a check is held against, read with their places.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe {

/// The document. Throws Error with PATH:LINE:COLUMN where `text` is no TOML.
toml::table toml_document(const std::string& text, const std::string& path);

/// The bytes of a file. Throws Error naming `what` the file is, where it can't be read.
std::string toml_file(const std::string& what, const std::string& path);

/// One table with its place. Every function throws Error with FILE:LINE that names key and table.
class TomlEntry {
 public:
  /// `name` is how messages call the table: "[[metric]]".
  TomlEntry(const toml::table& table, std::string name, const std::string& path)
      : table_(table), name_(std::move(name)), path_(path) {}

  int64_t line() const { return static_cast<int64_t>(table_.source().begin.line); }
  std::string place() const;
  /// The place of a key's value.
  std::string place(const std::string& key) const;

  /// Throws for a key that is not among `known`.
  void allow(const std::vector<std::string>& known) const;
  bool has(const std::string& key) const { return table_.contains(key); }
  const toml::node& node(const std::string& key) const;
  const toml::table& table() const { return table_; }

  std::string text(const std::string& key) const;
  std::optional<std::string> optional_text(const std::string& key) const;
  double number(const std::string& key) const;
  double allowance(const std::string& key) const;                ///< a number >= 0
  int64_t count(const std::string& key) const;                   ///< a whole number >= 1
  std::vector<std::string> texts(const std::string& key) const;  ///< a list of texts
  std::string option(const std::string& key) const;  ///< a number, true, false or text, as text
  /// A key of metric_docs(), perhaps with ":METRIC".
  std::string metric(const std::string& key = "metric") const;
  /// The tables of an array, named `[[...]]` in messages. Empty where the key is missing.
  std::vector<TomlEntry> tables(const std::string& key, const std::string& name) const;

  [[noreturn]] void fail_type(const std::string& key, const std::string& expected) const;

 private:
  const toml::table& table_;
  std::string name_, path_;
};

}  // namespace lethe
