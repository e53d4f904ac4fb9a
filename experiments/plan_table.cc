#include "experiments/plan_table.h"

#include <CLI/CLI.hpp>
#include <map>
#include <optional>

#include "analysis/toml_entry.h"
#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/models/model_facts.h"
#include "experiments/plan.h"
#include "experiments/with_commas.h"

namespace lethe {
namespace {

struct KnownModel {
  std::string config;
  plan::ModelFacts facts;
};
using Models = std::map<std::string, KnownModel>;

Models models_of(const TomlEntry& file, const std::string& path) {
  Models models;
  for (const TomlEntry& entry : file.tables("model", "[[model]]")) {
    entry.allow({"name", "config"});
    const std::string name = entry.text("name");
    const std::string text = entry.text("config");
    const HfConfig config = HfConfig::parse(text, entry.place("config"));
    if (!models.emplace(name, KnownModel{text, model_facts(config)}).second) {
      fail("{}: model '{}' is there twice; name each once", entry.place("name"), name);
    }
  }
  if (models.empty()) fail("{} has no [[model]]; give each a name and its config", path);
  return models;
}

plan::PlanRequest request_of(const TomlEntry& row, const std::string& options,
                             const plan::ModelFacts& facts) {
  PlanArguments arguments;
  CLI::App command;
  add_plan_options(command, arguments);
  try {
    command.parse(options);
  } catch (const CLI::Error& error) {
    fail("{}: {}", row.place("options"), error.what());
  }
  arguments.request.levers = plan::parse_levers(arguments.levers);
  fit_length(command, facts, arguments.request);
  return arguments.request;
}

/// 1234567 bytes as MiB with commas.
std::string mib_cell(int64_t bytes) {
  return with_commas(fmt::format("{:.0f}", static_cast<double>(bytes) / 0x1p20));
}

/// Planned bytes, and measured ones where the row was run.
struct TableRow {
  std::string model, options, published;
  plan::Account account;
  bool fits = true;
  std::optional<MeasuredStep> measured;
};

TableRow row_of(const TomlEntry& row, const Models& models, const PlanTable& table) {
  row.allow({"model", "options", "published"});
  TableRow made{row.text("model"), row.text("options")};
  made.published = row.optional_text("published").value_or("-");
  const auto model = models.find(made.model);
  if (model == models.end()) {
    fail("{}: no [[model]] is called '{}'", row.place("model"), made.model);
  }
  const plan::PlanRequest request = request_of(row, made.options, model->second.facts);
  made.account = plan::account(model->second.facts, request);
  made.fits = table.device_memory == 0 || made.account.peak() <= table.device_memory;
  if (table.measure && made.fits) {
    made.measured = table.measure({model->second.config, made.model + " " + made.options, request,
                                   table.device, table.steps});
  }
  return made;
}

/// Peak on the device, host, before the first step, milliseconds.
std::string measured_cells(const std::optional<MeasuredStep>& measured) {
  if (!measured) return " - | - | - | - |";
  if (measured->out_of_memory) return " out of memory | - | - | - |";
  return fmt::format(" {} | {} | {} | {:.1f} |", mib_cell(measured->peak), mib_cell(measured->host),
                     mib_cell(measured->before), measured->milliseconds);
}

std::string row_text(const TableRow& row, const PlanTable& table) {
  std::string text = fmt::format("| {} | `{}` | {} | {} | {} |", row.model, row.options,
                                 mib_cell(row.account.states), mib_cell(row.account.peak()),
                                 mib_cell(row.account.host.total()));
  if (table.measure) text += measured_cells(row.measured);
  if (table.device_memory > 0) text += row.fits ? " yes |" : " no |";
  return text + " " + row.published + " |\n";
}

std::string head_text(const PlanTable& table) {
  std::string text = "| model | options of `lethe plan` | states | peak | host |";
  std::string line = "\n|---|---|--:|--:|--:|";
  if (table.measure) {
    text += " measured peak | host | before the first step | ms a step |";
    line += "--:|--:|--:|--:|";
  }
  if (table.device_memory > 0) {
    text += fmt::format(" fits {:.0f} GiB |", static_cast<double>(table.device_memory) / 0x1p30);
    line += "---|";
  }
  return text + " published peak |" + line + "--:|\n";
}

}  // namespace

void plan_table(const PlanTable& table, const std::function<void(const std::string&)>& print) {
  const toml::table document = toml_document(toml_file("the plans", table.path), table.path);
  const TomlEntry file(document, "the file", table.path);
  file.allow({"model", "row"});
  const Models models = models_of(file, table.path);
  print(head_text(table));
  std::string device;
  for (const TomlEntry& entry : file.tables("row", "[[row]]")) {
    const TableRow row = row_of(entry, models, table);
    if (row.measured && !row.measured->out_of_memory) device = row.measured->device;
    print(row_text(row, table));
  }
  if (!device.empty()) print("\nMeasured on " + device + ".\n");
}

std::string plan_table(const PlanTable& table) {
  std::string text;
  plan_table(table, [&](const std::string& piece) { text += piece; });
  return text;
}

}  // namespace lethe
