// Tether: a spring from every weight to where the last task left it; the method l2 under another
// name.
//   penalty = lambda/2 sum_i (theta_i - theta*_i)^2, in units of the task loss
// Source: the L2 baseline of Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A.
// Built as a plugin inside this tree and, by tests/install_test.sh, outside it.
#include "core/plugin.h"

namespace lethe {
namespace {

class Tether : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0), "penalty weight, in units of task loss; 0 = finetune");
    }
  };
  explicit Tether(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override { anchor_ = setup.arena.twin("tether.anchor"); }
  void contribute(Update& update) override {
    if (held_) update.add_quadratic(options_.lambda / 2, {}, anchor_);
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

void add_tether(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "tether";
  entry.role = Role::regulariser;
  entry.summary = "Tether: pulls every weight back to the last task's.";
  entry.source = "Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A";
  entry.verified = "the contract suite";
  entry.neutral.options = {{"lambda", "0"}};
  registry.add<Tether>(std::move(entry));
}

}  // namespace
}  // namespace lethe

#ifndef TETHER_ABI
#define TETHER_ABI lethe::kPluginAbi
#endif
extern "C" const lethe::Plugin lethe_plugin = {TETHER_ABI, LETHE_PLUGIN_BUILD_ID,
                                               lethe::add_tether};
