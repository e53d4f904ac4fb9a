// What a planned training step took when it was run. Free of libtorch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/plan/request.h"

namespace lethe {

/// A step that is to be run for its figures.
struct StepRequest {
  std::string config;  ///< config.json's text
  std::string place;   ///< what errors call it
  plan::PlanRequest request;
  std::string device = "cpu";  ///< as open_device() has them
  int64_t steps = 5;           ///< of each task, at least 3
};

struct MeasuredStep {
  struct Held {
    std::string category;  ///< of the meter
    int64_t device = 0, host = 0;
  };

  std::string device;           ///< class: "cpu", "cuda NVIDIA H100 80GB HBM3 sm_90"
  int64_t peak = 0;             ///< bytes on the device at the highest instant of the steps
  int64_t host = 0;             ///< of a GPU's steps: the same of host memory
  int64_t before = 0;           ///< peak on the device before the first step: made, moved, laid out
  int64_t reserved = 0;         ///< the most that libtorch's allocator took from the driver; CPU: 0
  double milliseconds = 0;      ///< a step of the last task: the median without the first
  std::vector<Held> held = {};  ///< what `peak` and `host` are made of
  bool out_of_memory = false;   ///< then `peak` and the rest are 0
};

using StepMeasurer = std::function<MeasuredStep(const StepRequest&)>;

/// Runs the trainer over a model of the shape, with drawn values and rows, in a process of its own.
/// Throws Error for what plans know and training does not have (activations in bfloat16, weights
/// that stay mapped), for what the method refuses, and as open_device() does.
MeasuredStep measure_step(const StepRequest& request);

}  // namespace lethe
