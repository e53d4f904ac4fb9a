#include "core/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace lethe {
namespace {

template <class Number>
bool reads_whole(const std::string& text, Number* out) {
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, *out);
  return fault == std::errc{} && stop == end;
}

/// Where a value came from, for messages.
struct Place {
  const std::string& owner;
  const Field& field;
  const std::string& text;

  [[noreturn]] void refuse_text(const std::string& expected) const {
    fail("option '{}' of {} is '{}'; expected {}", field.name, owner, text, expected);
  }
  void check(double number) const {
    const Range& range = field.range;
    const bool low = range.low_open ? number > range.low : number >= range.low;
    const bool high = range.high_open ? number < range.high : number <= range.high;
    if (low && high) return;
    fail("option '{}' of {} is {}; expected {}", field.name, owner, text, range.text());
  }
};

void assign(double* target, const Place& place) {
  double number = 0;
  if (!reads_whole(place.text, &number) || !std::isfinite(number)) place.refuse_text("a number");
  place.check(number);
  *target = number;
}

void assign(int64_t* target, const Place& place) {
  int64_t number = 0;
  if (!reads_whole(place.text, &number)) place.refuse_text("a whole number");
  place.check(static_cast<double>(number));
  *target = number;
}

void assign(bool* target, const Place& place) {
  if (place.text != "true" && place.text != "false") place.refuse_text("true or false");
  *target = place.text == "true";
}

void assign(std::string* target, const Place& place) {
  const auto& words = place.field.range.words;
  if (!words.empty() && std::find(words.begin(), words.end(), place.text) == words.end()) {
    place.refuse_text(place.field.range.text());
  }
  *target = place.text;
}

std::string value_text(double value) { return number_text(value); }
std::string value_text(int64_t value) { return fmt::to_string(value); }
std::string value_text(bool value) { return value ? "true" : "false"; }
std::string value_text(const std::string& value) { return value; }

const char* type_name(double) { return "number"; }
const char* type_name(int64_t) { return "whole number"; }
const char* type_name(bool) { return "true or false"; }
const char* type_name(const std::string&) { return "text"; }

std::string present_text(const Field& field) {
  return std::visit([](auto* value) { return value_text(*value); }, field.value);
}

[[noreturn]] void refuse_name(const std::string& owner, const std::vector<Field>& fields,
                              const std::string& name) {
  std::vector<std::string> known;
  for (const Field& field : fields) known.push_back(field.name);
  std::sort(known.begin(), known.end());
  fail("unknown option '{}' of {}; known options: {}", name, owner,
       known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

}  // namespace

std::string Range::text() const {
  if (!words.empty()) return fmt::format("one of {}", fmt::join(words, ", "));
  const bool has_low = std::isfinite(low), has_high = std::isfinite(high);
  if (has_low && has_high) {
    return fmt::format("in {}{}, {}{}", low_open ? "(" : "[", number_text(low), number_text(high),
                       high_open ? ")" : "]");
  }
  if (has_low) return fmt::format("{} {}", low_open ? ">" : ">=", number_text(low));
  if (has_high) return fmt::format("{} {}", high_open ? "<" : "<=", number_text(high));
  return "any";
}

Range any() { return {}; }

Range at_least(double low) {
  Range range;
  range.low = low;
  return range;
}

Range above(double low) {
  Range range = at_least(low);
  range.low_open = true;
  return range;
}

Range between(double low, double high) {
  Range range = at_least(low);
  range.high = high;
  return range;
}

Range below_from(double low, double high) {
  Range range = between(low, high);
  range.high_open = true;
  return range;
}

Range one_of(std::vector<std::string> words) {
  Range range;
  range.words = std::move(words);
  return range;
}

void set_fields(const std::string& owner, const std::vector<Field>& fields,
                const OptionMap& given) {
  for (const auto& [name, text] : given) {
    const auto field =
        std::find_if(fields.begin(), fields.end(),
                     [&name = name](const Field& known) { return known.name == name; });
    if (field == fields.end()) refuse_name(owner, fields, name);
    const Place place{owner, *field, text};
    std::visit([&](auto* target) { assign(target, place); }, field->value);
  }
}

OptionMap text_of_fields(const std::vector<Field>& fields) {
  OptionMap map;
  for (const Field& field : fields) map[field.name] = present_text(field);
  return map;
}

std::vector<OptionDoc> docs_of_fields(const std::vector<Field>& fields) {
  std::vector<OptionDoc> docs;
  for (const Field& field : fields) {
    const char* type = std::visit([](auto* value) { return type_name(*value); }, field.value);
    docs.push_back({field.name, type, present_text(field), field.range.text(), field.doc});
  }
  return docs;
}

void check_conditions(const std::string& owner, const std::vector<OptionDoc>& docs,
                      const std::vector<OptionCondition>& conditions, const OptionMap& complete) {
  for (const OptionCondition& condition : conditions) {
    const auto doc = std::find_if(docs.begin(), docs.end(), [&](const OptionDoc& known) {
      return known.name == condition.option;
    });
    const std::string& value = complete.at(condition.option);
    const std::string& other = complete.at(condition.needs);
    const auto& allowed = condition.values;
    if (doc == docs.end() || value == doc->fallback) continue;
    if (std::find(allowed.begin(), allowed.end(), other) != allowed.end()) continue;
    fail("{}: {} = {} does nothing with {} = {}; set {} = {}, or leave {} out", owner,
         condition.option, value, condition.needs, other, condition.needs,
         fmt::join(allowed, " or "), condition.option);
  }
}

std::string number_text(double value) { return fmt::format("{}", value); }

}  // namespace lethe
