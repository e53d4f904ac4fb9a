// Whether the trials of a sweep can begin, found out before the first of them trains.
#pragma once

#include <cstdint>
#include <vector>

#include "experiments/workers.h"

namespace lethe {

struct PreflightRequest {
  std::vector<Trial> begins;   ///< whether each can begin
  std::vector<Trial> planned;  ///< whether each fits the memory; empty: not asked
  const WorkSettings& settings;
  int64_t machine = 0;  ///< bytes of memory that can be had
};

/// Looks at the trials in a child process: nothing is trained, pretrained or stored, and this
/// process computes nothing. First their memory plans, for which no model is opened (memory_check.h
/// says which). Then every stream, every model with fresh weights and every method of the trials
/// once, whatever the seed and most training options, each method prepared for its first task as a
/// trial would. Cost: the streams' loading, and some milliseconds a method. Throws Error with the
/// figures of all plans that do not fit, else with a line for every method that its stream or model
/// can't take, naming all three.
void preflight(const PreflightRequest& request);

}  // namespace lethe
