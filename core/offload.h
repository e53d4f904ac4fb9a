// What levers of the trainer keep on the host of a model that is trained on a device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/model.h"
#include "core/moments.h"
#include "core/plan/request.h"
#include "core/train.h"

namespace lethe {

/// Moments that a lever keeps elsewhere than in the arena's twins; null without one.
std::unique_ptr<Moments> moments_apart(const plan::Levers& levers, const TrainOptions& options,
                                       const at::Device& device);

/// Leaves the weights of every Linear of the blocks on the host, or brings them there. Call before
/// the model moves to `device`.
void offload_blocks(Model& model, const at::Device& device);

/// No longer those that are trained, which move_to() then takes along. Throws Error where all are;
/// `names` is the method's.
void take_back_trained(Model& model, const std::vector<std::string>& names);

}  // namespace lethe
