// Many memory plans as one table: `lethe plan --table`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "experiments/measured_step.h"

namespace lethe {

struct PlanTable {
  std::string path;           ///< of the TOML file
  int64_t device_memory = 0;  ///< bytes that have to be enough; 0 = not asked
  StepMeasurer measure = {};  ///< runs the steps that fit; empty = they are only planned
  std::string device = "cpu";
  int64_t steps = 5;
};

/// The Markdown table of the plans that a TOML file asks for: [[model]] with a name and a config
/// (config.json's text), [[row]] with a model's name, `options` of `lethe plan`, and perhaps a
/// `published` figure. In MiB; with a device's bytes also whether each fits; with a measurer also
/// what each took, and below the device. Throws Error with the file's place for anything that is
/// wrong in it.
std::string plan_table(const PlanTable& table);
/// The same handed on in pieces as soon as they are there: steps of large models take their time.
void plan_table(const PlanTable& table, const std::function<void(const std::string&)>& print);

}  // namespace lethe
