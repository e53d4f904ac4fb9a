#include "core/trial.h"

#include <algorithm>

#include "core/base_formats.h"
#include "core/error.h"

namespace lethe {
namespace {

constexpr const char* adapter_name = "lora";

std::string joined(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

std::vector<std::string> strategy_names(const TrialSpec& spec) {
  std::vector<std::string> names;
  for (const Part& strategy : spec.method) names.push_back(strategy.name);
  if (names.empty()) names.push_back("finetune");
  return names;
}

/// One fact stays one line whatever a value holds, so that no value can pass for another option.
std::string one_line(const std::string& value) {
  std::string line;
  for (const char c : value) {
    if (c == '\\') {
      line += "\\\\";
    } else if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  return line;
}

void add_options(std::vector<std::string>& lines, const std::string& prefix,
                 const OptionMap& options) {
  for (const auto& [key, value] : options) {
    lines.push_back(fmt::format("{}.{} = {}", prefix, key, one_line(value)));
  }
}

void add_part(std::vector<std::string>& lines, const std::string& kind, const Part& part) {
  if (part.options.contains("name")) {
    fail("option 'name' of {} {} is taken by the {}'s own name; call the option something else",
         kind, part.name, kind);
  }
  lines.push_back(fmt::format("{}.name = {}", kind, one_line(part.name)));
  add_options(lines, kind, part.options);
}

}  // namespace

const std::vector<std::string>& base_formats() {
  static const std::vector<std::string> formats = {"float",  "bf16", "int8",  "nf4",
                                                   "nf4-dq", "fp4",  "fp4-dq"};
  return formats;
}

std::string method_label(const TrialSpec& spec) {
  std::vector<std::string> names = strategy_names(spec);
  const auto base = spec.model.options.find("base");
  if (base == spec.model.options.end() || base->second == "float") return joined(names, "+");
  const auto lora = std::find(names.begin(), names.end(), adapter_name);
  if (base->second != "nf4" || lora == names.end()) {
    return fmt::format("{} on {}", joined(names, "+"), base->second);
  }
  *lora = "qlora";
  return joined(names, "+");
}

std::string canonical_text(const TrialSpec& spec) {
  std::vector<std::string> lines;
  lines.push_back("method = " + joined(strategy_names(spec), "+"));
  for (const Part& strategy : spec.method) {
    add_options(lines, "method." + strategy.name, strategy.options);
    if (!strategy.plugin.empty()) {
      lines.push_back(fmt::format("plugin.{} = {}", strategy.name, strategy.plugin));
    }
  }
  add_part(lines, "model", spec.model);
  add_part(lines, "stream", spec.stream);
  add_options(lines, "train", spec.training);
  lines.push_back(fmt::format("seed = {}", spec.seed));
  std::sort(lines.begin(), lines.end());
  return joined(lines, "\n");
}

}  // namespace lethe
