// L2: the plainest pull, every weight as important as any other.
//   penalty = lambda/2 sum_i (theta_i - theta*_i)^2, in units of the task loss
// theta* are the weights after the last task: EWC with every F_i = 1 and the latest anchor alone.
// Source: the L2 baseline of Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A.
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

  void prepare(Setup& setup) override { anchor_ = setup.arena.twin("l2.anchor"); }

  void contribute(Update& update) override {
    if (held_) update.add_quadratic(options_.lambda / 2, Twin(), anchor_);
  }

  void after_task(const TaskEnd& end) override {
    end.copy_values_to(anchor_);
    held_ = true;
  }

  void state(Archive& archive) override { archive("held", held_); }

 private:
  Options options_;
  Twin anchor_;
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
  registry.add<L2>(std::move(entry));
}

}  // namespace lethe
