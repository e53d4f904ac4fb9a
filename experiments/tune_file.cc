// The tuned sweep as TOML.
#include <filesystem>

#include "core/error.h"
#include "experiments/sweep_value.h"
#include "experiments/tune.h"

namespace lethe {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += std::string("\\") + c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

/// Numbers and truth values as such, where that reads back to the same text.
std::string value_of(const std::string& text) {
  try {
    const toml::table table = parse_toml("value = " + text, "value");
    const toml::node* node = table.get("value");
    const bool plain = node->is_number() || node->is_boolean();
    if (plain && table.size() == 1 && grid_value("value", *node).values[0] == text) return text;
  } catch (const Error&) {  // then it is text
  }
  return quoted(text);
}

std::string value_of(const std::vector<std::string>& values) {
  if (values.size() == 1) return value_of(values[0]);
  std::vector<std::string> all;
  for (const std::string& value : values) all.push_back(value_of(value));
  return fmt::format("[{}]", fmt::join(all, ", "));
}

/// Relative paths, which start at the working folder, from `folder` on.
std::string path_from(const std::string& folder, const std::string& path) {
  namespace fs = std::filesystem;
  if (path.empty() || fs::path(path).is_absolute()) return path;
  const fs::path from = fs::absolute(folder.empty() ? "." : folder).lexically_normal();
  std::string relative = fs::absolute(path).lexically_normal().lexically_relative(from).string();
  if (relative.size() > 1 && relative.back() == '/') relative.pop_back();
  return relative;
}

std::string lines(const Grid& grid, const std::string& prefix) {
  std::string text;
  for (const auto& [key, option] : grid) {
    text += fmt::format("{}{} = {}\n", prefix, key, value_of(option.values));
  }
  return text;
}

std::string text_task(const TextTaskSpec& task, const std::string& folder) {
  const TextTaskSpec defaults;
  std::string text = fmt::format("\n[[stream.task]]\nname = {}\n", quoted(task.name));
  const auto put = [&](const char* key, const std::string& value, const std::string& fallback) {
    if (value != fallback) text += fmt::format("{} = {}\n", key, quoted(value));
  };
  put("file", path_from(folder, task.file), "");
  put("train", path_from(folder, task.train), "");
  put("validation", path_from(folder, task.validation), "");
  put("test", path_from(folder, task.test), "");
  put("prompt", task.prompt, "");
  put("response", task.response, defaults.response);
  if (!task.labels.empty()) {
    std::vector<std::string> labels;
    for (const std::string& label : task.labels) labels.push_back(quoted(label));
    text += fmt::format("labels = [{}]\n", fmt::join(labels, ", "));
  }
  put("metric", task.metric, defaults.metric);
  return text;
}

std::string extra_seeds(const ExtraSeeds& extra) {
  std::string text = fmt::format("\n[[extra]]\nseeds = [{}]\n", fmt::join(extra.seeds, ", "));
  text += lines(extra.when, "when.");
  if (extra.methods.empty()) return text;
  std::vector<std::string> methods;
  for (const std::string& method : extra.methods) methods.push_back(quoted(method));
  return text + fmt::format("methods = [{}]\n", fmt::join(methods, ", "));
}

std::string sections(const Sweep& sweep, const std::string& folder) {
  std::string text =
      fmt::format("name = {}\nseeds = [{}]\n", quoted(sweep.name), fmt::join(sweep.seeds, ", "));
  Grid stream = sweep.stream_options;
  if (const auto data = stream.find("data"); data != stream.end()) {
    data->second.values = {path_from(folder, data->second.values.at(0))};
  }
  text += fmt::format("\n[stream]\nname = {}\n", quoted(sweep.stream)) + lines(stream, "");
  for (const TextTaskSpec& task : sweep.texts) text += text_task(task, folder);
  text += fmt::format("\n[model]\nname = {}\n", quoted(sweep.model));
  text += lines(sweep.model_options, "");
  if (!sweep.training.empty()) text += "\n[train]\n" + lines(sweep.training, "");
  for (const ExtraSeeds& extra : sweep.extra) text += extra_seeds(extra);
  return text;
}

std::string entry(const SweepMethod& method) {
  std::string text = fmt::format("[[method]]\nname = {}\n", quoted(method.name));
  if (!method.label.empty()) text += fmt::format("label = {}\n", quoted(method.label));
  return text + lines(method.when, "when.") + lines(method.options, "");
}

std::string entry(SweepMethod method, const Choice& choice, const TuneSettings& settings) {
  std::string text;
  for (const std::string& line : lines_of(choice, settings)) text += "# " + line + "\n";
  for (const auto& [key, value] : choice.stream) method.when[key] = {{value}, 0};
  for (const auto& [key, value] : choice.tried.at(choice.best.value()).values) {
    method.options[key] = {{value}, 0};
  }
  return text + entry(method);
}

}  // namespace

std::string tuned_sweep(const TunePlan& plan, const std::vector<Choice>& choices,
                        const std::string& folder) {
  std::string text = fmt::format(
      "# Made by `lethe tune`. Options below a table of candidates are the best of them, marked *, "
      "on\n# validation rows and seed {}, which is not reported.\n",
      plan.settings.seed);
  text += sections(plan.sweep, folder);
  for (size_t index = 0; index < plan.sweep.methods.size(); ++index) {
    const SweepMethod& method = plan.sweep.methods[index];
    bool chosen = false;
    for (const Choice& choice : choices) {
      if (choice.method != index) continue;
      text += "\n" + entry(method, choice, plan.settings);
      chosen = true;
    }
    if (!chosen) text += "\n" + entry(method);
  }
  return text;
}

}  // namespace lethe
