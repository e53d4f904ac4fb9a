// Which of a student's outputs distillation holds to a teacher's, and how.
#pragma once

#include <string>
#include <vector>

#include "core/strategy.h"

namespace lethe {

/// A loss of core/distillation_loss.h and its temperature.
struct Softening {
  std::string form = "cross_entropy";
  double temperature = 2;
};

/// Groups of units (C of them in all), each compared by softmaxes of its own. Targets depend on a
/// row alone, so they can be recorded; P positions.
class ComparedUnits {
 public:
  /// All units together.
  static ComparedUnits whole(double factor);
  /// `units` together; with `among_all` the student's softmax is over all units, where the teacher
  /// gives the others 0.
  static ComparedUnits together(const std::vector<int64_t>& units, bool among_all, double factor,
                                const at::Device& device);
  /// The units of each of the first `tasks` tasks by themselves, averaged over tasks.
  static ComparedUnits by_task(const TaskStream& stream, int64_t tasks, double factor,
                               const at::Device& device);

  /// The soft targets (P, U) of a teacher's logits (P, C): the groups' units side by side.
  Tensor targets(const Tensor& taught, const Softening& how) const;
  /// The loss of a student's logits (P, C) against such targets, times the factor; a scalar.
  Tensor loss(const Tensor& targets, const Tensor& student, const Softening& how) const;

 private:
  struct Group {
    Tensor units;       ///< undefined = all of them
    int64_t width = 0;  ///< units of one softmax; 0 = the group's all
    double factor = 1;
  };
  std::vector<Group> groups_;
  bool among_all_ = false;
};

}  // namespace lethe
