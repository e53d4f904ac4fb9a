// `lethe plan`: what a training step will take, from config.json alone.
#pragma once

#include <optional>
#include <string>

#include "core/plan/plan.h"
#include "experiments/measured_step.h"

namespace CLI {
class App;
}

namespace lethe {

struct PlanArguments {
  std::string model;  ///< a folder with config.json, or such a file
  plan::PlanRequest request;
  std::string levers = "none", device_memory, format = "text";
  std::string table;  ///< a file of plans, in place of a model
  bool measure = false;
  std::string device = "cpu";  ///< where steps are measured
  int64_t steps = 5;
};

/// The options that say what is planned: method, shapes, precision, levers.
void add_plan_options(CLI::App& command, PlanArguments& arguments);

/// The facts of the file or of the folder's config.json. Throws Error as HfConfig does.
plan::ModelFacts read_model_facts(const std::string& path);

/// Bytes as MiB: "812.3".
std::string mib(int64_t bytes);

std::string plan_text(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan,
                      const std::optional<MeasuredStep>& measured = {});
std::string plan_json(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan,
                      const std::optional<MeasuredStep>& measured = {});

/// A length that was not given is no longer than the model's rows.
void fit_length(const CLI::App& command, const plan::ModelFacts& facts, plan::PlanRequest& request);

/// config.json's text, of the file or the folder.
std::string config_text(const std::string& path);

/// "Exit code 1 ...", with every lever.
std::string plan_footer();

}  // namespace lethe
