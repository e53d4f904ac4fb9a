#include "experiments/streams/text_template.h"

#include "core/error.h"

namespace lethe {
namespace {

std::string known_fields(const Record& record) {
  std::string names;
  for (const auto& [name, value] : record) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

std::string fill_template(const std::string& pattern, const Record& record,
                          const RecordPlace& place) {
  std::string text;
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c != '{' && c != '}') {
      text += c;
      continue;
    }
    if (at + 1 < pattern.size() && pattern[at + 1] == c) {
      text += c;
      ++at;
      continue;
    }
    const size_t close = c == '{' ? pattern.find('}', at) : std::string::npos;
    if (close == std::string::npos) {
      fail(
          "the template '{}' of task '{}' has a '{}' without its partner; write a field as "
          "{{name}}, and a "
          "plain brace twice",
          pattern, place.task, c);
    }
    const std::string name = pattern.substr(at + 1, close - at - 1);
    const auto field = record.find(name);
    if (field == record.end()) {
      fail(
          "the template of task '{}' names the field '{}', which record {} of {} does not have; "
          "its "
          "fields: {}",
          place.task, name, place.number, place.file, known_fields(record));
    }
    text += field->second;
    at = close;
  }
  return text;
}

}  // namespace lethe
