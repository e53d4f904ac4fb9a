#include "experiments/streams/text_task.h"

#include <fmt/ranges.h>

#include <set>

#include "core/digest.h"
#include "core/error.h"

namespace lethe {

std::vector<std::pair<std::string, std::string>> files_of(const TextTaskSpec& task) {
  std::vector<std::pair<std::string, std::string>> given;
  text_files(task, [&](const char* role, const std::string& path) {
    if (!path.empty()) given.emplace_back(role, path);
  });
  const bool whole = !task.file.empty() && given.size() == 1;
  const bool apart = task.file.empty() && !task.train.empty() && !task.test.empty();
  if (!whole && !apart) {
    std::vector<std::string> roles;
    for (const auto& [role, path] : given) roles.push_back(role);
    fail("text task '{}' has {}; expected file alone, or train and test with or without validation",
         task.name, roles.empty() ? "no file" : fmt::format("{}", fmt::join(roles, " and ")));
  }
  return given;
}

std::string text_data_digest(const TextTaskSpec& task) {
  std::string contents;
  for (const auto& [role, path] : files_of(task)) {
    contents += fmt::format("{} {}\n", role, sha256_file(path));
  }
  return sha256(contents);
}

OptionMap text_task_text(const TextTaskSpec& task) {
  const std::set<std::string> always = {"prompt", "response", "metric"};
  const OptionMap fallback = options_text(TextTaskSpec());
  OptionMap text;
  for (const auto& [key, value] : options_text(task)) {
    if (always.contains(key) || value != fallback.at(key)) text[key] = value;
  }
  text["name"] = task.name;
  text["data"] = text_data_digest(task);
  text_lists(task, [&](const std::string& key, const std::vector<std::string>& values) {
    const std::string one = key == "labels" ? "label" : key;
    for (size_t index = 0; index < values.size(); ++index) {
      text[fmt::format("{}.{}", one, index)] = values[index];
    }
  });
  return text;
}

}  // namespace lethe
