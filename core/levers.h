// What lowers the memory of a training step, as `train.levers` names it.
#pragma once

#include "core/arena.h"
#include "core/plan/request.h"
#include "core/train.h"

namespace lethe {

/// The levers of `options`. Throws Error for an unknown one, and for two that exclude each other or
/// another option, naming both.
plan::Levers levers_of(const TrainOptions& options);

/// What the trained values of such a trial are stored in.
ValueStore value_store(const plan::Levers& levers);

/// Throws Error where a strategy of the method excludes a lever.
void check_levers(const plan::Levers& levers, const Method& method);

/// Throws Error where the model or a strategy of the method excludes a lever.
void check_levers(const plan::Levers& levers, const Model& model, const Method& method);

/// Throws Error for a lever that training on the CPU, or on another device, does not have.
void check_levers_on(const plan::Levers& levers, bool cpu);

}  // namespace lethe
