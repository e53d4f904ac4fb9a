// L2: the plainest pull, every weight as important as any other.
//   penalty = lambda/2 sum_i (theta_i - theta*_i)^2, in units of the task loss
// theta* are the weights after the last task: EWC with every F_i = 1 and the latest anchor alone. A
// parameter that is new in a task (an adapter, a head) has no past to be pulled to, so its F_i is
// 0. Source: the L2 baseline of Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A.
#include "methods/methods.h"

namespace lethe {
namespace {

class L2 : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0),
            "penalty weight (the half is in the formula); 0 = finetune");
    }
  };
  explicit L2(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    importance_ = setup.arena.twin("l2.importance");
    anchor_ = setup.arena.twin("l2.anchor");
  }

  void contribute(Update& update) override {
    if (held_) update.add_quadratic(options_.lambda / 2, importance_, anchor_);
  }

  void after_task(const TaskEnd& end) override {
    const at::NoGradGuard no_grad;
    for (const ArenaRange& range : end.arena.ranges()) {
      end.arena.slice(importance_.tensor(), range).fill_(1);
    }
    end.copy_values_to(anchor_);
    held_ = true;
  }

  void state(Archive& archive) override { archive("held", held_); }

  std::optional<PenaltyForm> penalty_form(const TaskStream&) const override {
    return PenaltyForm{"l2", "1", "", true, "latest"};
  }

 private:
  Options options_;
  Twin importance_, anchor_;  // importance: 1, and 0 where the arena has grown since
  bool held_ = false;
};

}  // namespace

void add_l2(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "l2";
  entry.role = Role::regulariser;
  entry.summary = "L2 anchor: pulls every weight alike back to where the last task left it.";
  entry.source = "Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A";
  entry.verified = "penalty and gradient computed by hand (tests/l2_test.cc)";
  entry.neutral.options = {{"lambda", "0"}};
  entry.readings = {
      {"lambda",
       "Half in the formula, as `ewc`, so that an importance of 1 makes them equal. "
       "Parameters that a task adds have no past and are not pulled in their first task."}};
  registry.add<L2>(std::move(entry));
}

}  // namespace lethe
