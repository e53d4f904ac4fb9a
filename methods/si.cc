// Synaptic intelligence: importance from the path of training itself.
//   omega_i += -g_i (theta_i(after) - theta_i(before))                        at every step
//   Omega_i <- max(0, Omega_i + omega_i / ((theta_i - theta_i,start)^2 + xi))  at the task's end
//              (clamp = false: without the max, as in the code of van de Ven et al. 2022)
//   penalty = c sum_i Omega_i (theta_i - theta*_i)^2                            (no half)
// g is the gradient of the unregularised loss, as in the paper; `gradient = total` adds the
// penalty's, as much public code does. The displacement is the real one, the optimizer's scaling in
// it. Source: Zenke, Poole & Ganguli 2017, arXiv:1703.04200, eqs. 3 to 5.
#include "core/error.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class SynapticIntelligence : public Strategy {
 public:
  struct Options {
    double c = 0.1;
    double xi = 0.1;
    std::string gradient = "unregularised";
    bool clamp = true;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("c", c, at_least(0.0), "penalty weight; 0 = finetune");
      visit("xi", xi, above(0.0), "damping of the importance, in squared weight units");
      visit("gradient", gradient, one_of({"unregularised", "total"}), "g of the path integral");
      visit("clamp", clamp, any(), "no importance below 0, as in the authors' code");
    }
  };
  explicit SynapticIntelligence(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    path_ = setup.arena.twin("si.path");
    importance_ = setup.arena.twin("si.importance");
    anchor_ = setup.arena.twin("si.anchor");
  }

  void before_task(const TaskBegin& begin) override {
    const at::NoGradGuard no_grad;
    // Values do not move between tasks, so the anchor is also where this task's path starts.
    anchor_.tensor().copy_(begin.arena.values());
    path_.tensor().zero_();
  }

  void contribute(Update& update) override {
    update.add_path(path_, options_.gradient == "total");
    if (held_) update.add_quadratic(options_.c, importance_, anchor_);
  }

  void after_task(const TaskEnd& end) override {
    const MemoryTag tag(Category::workspace);
    const at::NoGradGuard no_grad;
    const Tensor moved = end.arena.values() - anchor_.tensor();
    importance_.tensor().add_(path_.tensor() / (moved.square() + options_.xi));
    if (options_.clamp) importance_.tensor().clamp_min_(0);
    held_ = true;
  }

  void state(Archive& archive) override { archive("held", held_); }

  std::optional<PenaltyForm> penalty_form(const TaskStream&) const override {
    PenaltyForm form{
        "si", fmt::format("path integral, {} gradient, xi {}", options_.gradient, options_.xi), "",
        false, "latest"};
    if (!options_.clamp) form.importance += ", not clamped";
    return form;
  }

 private:
  Options options_;
  Twin path_, importance_, anchor_;
  bool held_ = false;
};

}  // namespace

void add_si(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "si";
  entry.role = Role::regulariser;
  entry.summary = "Synaptic intelligence: weights that lowered the loss on their way are held.";
  entry.source = "Zenke et al. 2017, arXiv:1703.04200";
  entry.verified =
      "trajectories by hand, SGD and Adam, both gradients (tests/si_test.cc); the code of van de "
      "Ven "
      "et al. 2022 (tests/cl_methods_shared_test.cc)";
  entry.neutral.options = {{"c", "0"}};
  entry.readings = {
      {"gradient",
       "Zenke et al. 2017 and their code (pathint) integrate the gradient of the task's loss "
       "alone: `unregularised`, the default; so do Mammoth and FACIL. The code of van de Ven "
       "et al. 2022 and Avalanche take the gradient with the penalty in it: `total`. With a "
       "strong penalty they differ: 0.6107 against 0.4954 in the golden example's second "
       "task."},
      {"clamp",
       "Zenke et al.'s code (pathint) lets no importance fall below 0: on, the default. The codes "
       "of van de Ven et al. and Mammoth keep negative ones, which push a weight away: off, and "
       "needed for their numbers. Avalanche has an upper bound of 1e-3 in its place, which makes c "
       "depend on it; it is left out."},
      {"c",
       "No half in the formula, as in the paper, pathint and van de Ven's code; Avalanche "
       "has one."},
      {"xi",
       "0.1 as in pathint's permuted MNIST and van de Ven's code; pathint's split MNIST has "
       "1e-3, Avalanche 1e-7."}};
  registry.add<SynapticIntelligence>(std::move(entry));
}

}  // namespace lethe
