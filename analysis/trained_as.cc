#include "analysis/trained_as.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "analysis/canonical_lines.h"

namespace lethe {
namespace {

/// The value of a setting that is used; "" where it is absent, 0, or stands for none.
std::string used(const OptionMap& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found == settings.end() || found->second == "0" || found->second == "constant") return "";
  return found->second;
}

std::string updates(const OptionMap& settings, size_t tasks) {
  if (const std::string epochs = used(settings, "epochs"); !epochs.empty()) {
    return fmt::format("{}{} epoch{} a task", used(settings, "patience").empty() ? "" : "at most ",
                       epochs, epochs == "1" ? "" : "s");
  }
  const std::string steps = used(settings, "steps");
  if (steps.empty()) return "";
  const auto all = std::strtoll(steps.c_str(), nullptr, 10) * static_cast<long long>(tasks);
  return fmt::format("{} steps a task ({} in all)", steps, all);
}

}  // namespace

std::string trained_as(const std::string& canonical_text, size_t tasks) {
  const OptionMap settings = canonical_options(canonical_text, "train.");
  std::vector<std::string> parts;
  if (const std::string text = updates(settings, tasks); !text.empty()) parts.push_back(text);
  const auto add = [&](const char* name, const char* words) {
    const std::string value = used(settings, name);
    if (!value.empty()) parts.push_back(words + value);
  };
  add("batch", "batch ");
  if (used(settings, "accumulate") != "1") add("accumulate", "batches an update ");
  add("optimizer", "");
  add("lr", "lr ");
  add("momentum", "momentum ");
  if (used(settings, "reset_optimizer") == "false") parts.push_back("state kept over tasks");
  add("schedule", "schedule ");
  add("warmup", "warmup ");
  add("clip", "clip ");
  add("weight_decay", "weight decay ");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string training_of(const Comparison& comparison) {
  std::vector<std::pair<std::string, std::vector<std::string>>> settings;  // text, labels
  for (const MethodRow& method : comparison.methods) {
    for (const std::string& text : method.trained_as) {
      auto known = std::find_if(settings.begin(), settings.end(),
                                [&](const auto& one) { return one.first == text; });
      if (known == settings.end()) known = settings.insert(settings.end(), {text, {}});
      known->second.push_back(method.label);
    }
  }
  std::stable_sort(settings.begin(), settings.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::string text;
  for (const auto& [setting, labels] : settings) {
    if (!text.empty()) text += fmt::format("; {}: ", fmt::join(labels, ", "));
    text += setting;
  }
  return text;
}

}  // namespace lethe
