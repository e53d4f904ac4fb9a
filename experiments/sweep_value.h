// Values in sweep files and in --set, as option text.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/sweep.h"

namespace lethe {

/// The file under way, for messages and relative paths.
struct Place {
  std::string path;
  [[noreturn]] void fail_at(int64_t line, const std::string& what) const;
};

/// Throws Error at the line of a key that is not among `known`.
void only_known(const Place& place, const toml::table& table, const std::string& where,
                const std::vector<std::string>& known);

/// grid_value() with the place before what it throws.
GridOption grid_option(const Place& place, const std::string& key, const toml::node& node);

/// The text at `key`, or `fallback` where there is none.
std::string text_at(const Place& place, const toml::table& table, const std::string& key,
                    const std::string& fallback);

/// Relative paths start at the sweep file; a leading ../shared is LETHE_SHARED where that is set.
std::string resolved(const Place& place, const std::string& path);

/// A method's `tune` table, keys joined by dots; and the section [tune].
SearchSpaces search_spaces(const Place& place, const toml::node& node);
TuneSection tune_section(const Place& place, const toml::node& node);

/// The document. Throws Error with NAME:LINE:COLUMN where `text` is no TOML.
toml::table parse_toml(const std::string& text, const std::string& name);

/// Where the node stands in its file.
int64_t line_of(const toml::node& node);

/// A number, true, false or text, or a list of them. Throws Error naming `key`, without a place,
/// for a table, a date and an empty list.
GridOption grid_value(const std::string& key, const toml::node& node);

/// Throws Error, without a place, for what is no whole number.
std::vector<int64_t> seeds_of(const GridOption& option);

/// The parts of `text` between the characters `by`.
std::vector<std::string> split_at(const std::string& text, char by);

}  // namespace lethe
