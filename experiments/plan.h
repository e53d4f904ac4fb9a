// `lethe plan`: what a training step will take, from config.json alone.
#pragma once

#include <string>

#include "core/plan/plan.h"

namespace CLI {
class App;
}

namespace lethe {

struct PlanArguments {
  std::string model;  ///< a folder with config.json, or such a file
  plan::PlanRequest request;
  std::string levers = "none", device_memory, format = "text";
  std::string table;  ///< a file of plans, in place of a model
};

/// The options that say what is planned: method, shapes, precision, levers.
void add_plan_options(CLI::App& command, PlanArguments& arguments);

/// The facts of the file or of the folder's config.json. Throws Error as HfConfig does.
plan::ModelFacts read_model_facts(const std::string& path);

/// Bytes as MiB: "812.3".
std::string mib(int64_t bytes);

std::string plan_text(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan);
std::string plan_json(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan);

/// Prints the plan; 0, or 1 where it does not fit.
int plan_command(const PlanArguments& arguments);

}  // namespace lethe
