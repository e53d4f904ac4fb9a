// `lethe plan`: what a training step will take, from config.json alone.
#pragma once

#include <string>

#include "core/plan/plan.h"

namespace lethe {

struct PlanArguments {
  std::string model;  ///< a folder with config.json, or such a file
  plan::PlanRequest request;
  std::string levers = "none", device_memory, format = "text";
};

/// The facts of the file or of the folder's config.json. Throws Error as HfConfig does.
plan::ModelFacts read_model_facts(const std::string& path);

std::string plan_text(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan);
std::string plan_json(const std::string& model, const plan::ModelFacts& facts,
                      const plan::PlanRequest& request, const plan::Plan& plan);

/// Prints the plan; 0, or 1 where it does not fit.
int plan_command(const PlanArguments& arguments);

}  // namespace lethe
