// A trial whose plan is too large: its figures, and what would make it fit, in a sweep's words.
#pragma once

#include <cstdint>
#include <string>

#include "core/plan/plan.h"
#include "experiments/sweep.h"

namespace lethe {

struct PlannedTrial {
  const Trial* trial = nullptr;
  plan::ModelFacts facts;
  plan::PlanRequest request;  ///< of the task whose peak is the highest
  int64_t peak = 0;           ///< with weights that stay in a mapped file, as the meter books them
  int64_t own = 0;            ///< without those: what the machine has to have
};

/// "method 'lora' on stream 'text' with model 'pretrained gpt2'".
std::string name_of(const Trial& trial);

/// Levers that the trial may train with, `accumulate` meaning train.accumulate.
plan::LeverRule training_levers(const PlannedTrial& planned, const StrategyRegistry& registry,
                                bool gpu = false);

/// What a trial may take. One of the machine's leaves mapped weights out.
struct MemoryLimit {
  int64_t bytes = 0;
  bool machine = false;  ///< what the machine has, and not --memory
  bool gpu = false;      ///< what the GPU has
};

/// Some lines: the trial, its peak, the limit and the largest parts in MiB, the batch that was
/// planned, and by make_plan() what would fit: levers that training has, the cheapest in time
/// first, the longest rows, the largest batch.
std::string advice_text(const PlannedTrial& planned, const MemoryLimit& limit,
                        const StrategyRegistry& registry);

}  // namespace lethe
