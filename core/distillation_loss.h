// What a student's outputs are held to: a teacher's softened outputs, in the readings of public
// code.
#pragma once

#include <string>

#include "core/torch.h"

namespace lethe {

/// How a distillation loss compares: "cross_entropy" (Hinton et al. 2015, arXiv:1503.02531), "kl"
/// of the teacher from the student, which is less by the teacher's entropy and has the same
/// gradient, "reverse_kl" of the student from the teacher, or "binary" (each unit's sigmoid by
/// itself, as iCaRL does: Rebuffi et al. 2017, arXiv:1611.07725).
///
/// The teacher's soft targets (P, C): softmax(taught / T), or sigmoid(taught / T) for "binary".
/// Units at -inf get 0.
Tensor soft_targets(const std::string& form, const Tensor& taught, double temperature);

/// The loss of logits (P, C) at temperature T against soft targets (P, C): summed over units, mean
/// over positions, in nats, times `factor`, without a factor T^2; scalar, with a graph. Targets of
/// 0 count as units that the teacher lacks: nothing for "cross_entropy" and "kl", a target of 0 for
/// "binary". Units of the student at -inf have no part. "reverse_kl" needs a target above 0
/// wherever the student's probability is.
Tensor soft_loss(const std::string& form, const Tensor& targets, const Tensor& student,
                 double temperature, double factor = 1);

}  // namespace lethe
