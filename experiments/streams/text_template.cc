#include "experiments/streams/text_template.h"

#include "core/error.h"
#include "core/formats/utf8.h"

namespace lethe {
namespace {

std::string known_fields(const Record& record) {
  std::string names;
  for (const auto& [name, value] : record) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class Filling {
 public:
  Filling(const std::string& pattern, const Record& record, const RecordPlace& place)
      : pattern_(pattern), record_(record), place_(place) {}

  std::string whole() {
    std::string text = part();
    if (at_ < pattern_.size()) wrong("has a {:} or {/} outside of {?name}");
    return text;
  }

 private:
  /// Text up to the end, or up to a {:} or {/}, at which it stops.
  std::string part() {
    std::string text;
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c != '{' && c != '}') {
        text += c;
        ++at_;
      } else if (pattern_.substr(at_ + 1, 1) == std::string(1, c)) {
        text += c;
        at_ += 2;
      } else if (here("{:}") || here("{/}")) {
        return text;
      } else {
        const std::string inside = braces(c);
        text += inside[0] == '?' ? choice(inside.substr(1)) : filtered(inside);
      }
    }
    return text;
  }

  bool here(const char* mark) const { return pattern_.compare(at_, 3, mark) == 0; }

  /// What stands between the braces at at_, which moves behind them.
  std::string braces(char c) {
    const size_t close = c == '{' ? pattern_.find('}', at_) : std::string::npos;
    if (close == std::string::npos || close == at_ + 1) {
      wrong(
          fmt::format("has a '{}' without its partner; write a field as {{name}}, and a plain "
                      "brace twice",
                      c));
    }
    std::string inside = pattern_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    return inside;
  }

  std::string choice(const std::string& name) {
    const bool holds = !field(name).empty();
    const std::string first = part();
    std::string second;
    if (here("{:}")) {
      at_ += 3;
      second = part();
    }
    if (!here("{/}")) wrong(fmt::format("opens {{?{}}} and never closes it with {{/}}", name));
    at_ += 3;
    return holds ? first : second;
  }

  const std::string& field(const std::string& name) const {
    const auto found = record_.find(name);
    if (found != record_.end()) return found->second;
    fail("{}: the record has no field '{}', which the template of task '{}' names; its fields: {}",
         place_.at, name, place_.task, known_fields(record_));
  }

  std::string filtered(const std::string& inside) const {
    size_t bar = inside.find('|');
    const std::string name = inside.substr(0, bar);
    std::string text = field(name);
    while (bar != std::string::npos) {
      const size_t next = inside.find('|', bar + 1);
      const bool last = next == std::string::npos;
      text = apply(inside.substr(bar + 1, last ? next : next - bar - 1), name, text);
      bar = next;
    }
    return text;
  }

  std::string apply(const std::string& filter, const std::string& name,
                    const std::string& text) const {
    if (filter == "lf") return replaced(text, "\r\n", "\n");
    if (filter == "unescape") return replaced(text, "\\n", "\n");
    if (filter == "trim") return std::string(trimmed(text));
    const bool after = filter.starts_with("after ");
    if (!after && !filter.starts_with("before ")) {
      wrong(
          fmt::format("names the filter '{}'; known filters: lf, unescape, trim, after TEXT, "
                      "before TEXT",
                      filter));
    }
    const std::string mark = filter.substr(after ? 6 : 7);
    const size_t at = after ? text.rfind(mark) : text.find(mark);
    if (at == std::string::npos) {
      fail("{}: the field '{}' does not hold '{}', which a filter of task '{}' looks for",
           place_.at, name, mark, place_.task);
    }
    return after ? text.substr(at + mark.size()) : text.substr(0, at);
  }

  [[noreturn]] void wrong(const std::string& what) const {
    fail("the template '{}' of task '{}' {}", pattern_, place_.task, what);
  }

  const std::string& pattern_;
  const Record& record_;
  const RecordPlace& place_;
  size_t at_ = 0;
};

}  // namespace

std::string fill_template(const std::string& pattern, const Record& record,
                          const RecordPlace& place) {
  return Filling(pattern, record, place).whole();
}

std::string literal_text(const std::string& text) {
  return replaced(replaced(text, "{", "{{"), "}", "}}");
}

}  // namespace lethe
