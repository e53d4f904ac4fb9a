#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "experiments/commands.h"
#include "experiments/plan.h"
#include "experiments/plan_table.h"

namespace lethe {
namespace {

int print_table(const PlanArguments& arguments, int64_t memory) {
  PlanTable table{arguments.table, memory};
  if (arguments.measure) {
    table.measure = measure_step;
    table.device = arguments.device;
    table.steps = arguments.steps;
  }
  plan_table(table, [](const std::string& piece) {
    fmt::print("{}", piece);
    std::fflush(stdout);
  });
  return 0;
}

int plan_command(const CLI::App& command, const PlanArguments& arguments) {
  if (arguments.model.empty() == arguments.table.empty()) {
    fail("`lethe plan` takes a model, or --table with a file of plans; name one of them");
  }
  plan::PlanRequest request = arguments.request;
  request.levers = plan::parse_levers(arguments.levers);
  const int64_t memory =
      arguments.device_memory.empty() ? 0 : plan::parse_memory(arguments.device_memory);
  if (!arguments.table.empty()) return print_table(arguments, memory);
  const plan::ModelFacts facts = read_model_facts(arguments.model);
  fit_length(command, facts, request);
  const plan::Plan made = plan::make_plan(facts, request, memory);
  const bool json = arguments.format == "json";
  const bool measures = arguments.measure && made.fits;
  std::optional<MeasuredStep> measured;
  if (measures) {
    measured = measure_step({config_text(arguments.model), arguments.model, request,
                             arguments.device, arguments.steps});
  }
  fmt::print("{}", json ? plan_json(arguments.model, facts, request, made, measured)
                        : plan_text(arguments.model, facts, request, made, measured));
  return made.fits ? 0 : 1;
}

void add_measuring(CLI::App& command, PlanArguments& arguments) {
  command.add_flag("--measure", arguments.measure,
                   "Also run such steps, with drawn values and rows, and give what they took; not "
                   "where the plan does not fit --device-memory");
  command.add_option("--device", arguments.device, "Where: cpu, cuda, cuda:1")
      ->capture_default_str();
  command.add_option("--steps", arguments.steps, "That are run of each task")
      ->capture_default_str();
}

}  // namespace

Command add_plan(CLI::App& app) {
  const auto arguments = std::make_shared<PlanArguments>();
  auto* command = app.add_subcommand(
      "plan", "What a training step will take in memory, from config.json alone");
  command->add_option("model", arguments->model, "Folder with config.json, or such a file");
  add_plan_options(*command, *arguments);
  command->add_option(
      "--table", arguments->table,
      "A file of plans, printed as one Markdown table: sweeps/plans/published.toml");
  command->add_option("--device-memory", arguments->device_memory,
                      "What has to be enough: 80GiB, 24GB");
  command->add_option("--format", arguments->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  add_measuring(*command, *arguments);
  command->footer(plan_footer());
  return {command, [command, arguments] { return plan_command(*command, *arguments); }};
}

}  // namespace lethe
