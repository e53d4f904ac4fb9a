// Elastic weight consolidation: a quadratic pull towards each past task's optimum, weighted by its
// Fisher.
//   penalty = sum_{t} lambda/2 sum_i F_{t,i} (theta_i - theta*_{t,i})^2          (offline, the
//   paper's form)
// Offline EWC is kept as one importance Fbar = sum_t F_t and one anchor mbar = sum_t F_t theta*_t /
// Fbar, which differs from the sum of separate anchors by a constant only: exact for any number of
// tasks. Online: F <- gamma F + F_t, anchor = the latest theta*; `decay_in_loss` multiplies by
// gamma once more when the penalty is used, as eq. 8 of Schwarz et al. reads. F_t is a mean over
// rows; whose labels it takes changes lambda's meaning by orders of magnitude, hence the options.
// Sources: Kirkpatrick et al. 2017, arXiv:1612.00796, eq. 3; Schwarz et al. 2018, arXiv:1805.06370;
// the collapse: Huszar 2018, PNAS 115:E2496; readings of F: van de Ven 2025, arXiv:2502.11756.
#include "core/fisher.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Ewc : public Strategy {
 public:
  struct Options {
    double lambda = 100;
    std::string mode = "offline";
    double gamma = 1;
    bool decay_in_loss = false;
    std::string labels = "auto";
    int64_t rows = 0;
    std::string divisor = "n";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0),
            "penalty weight (the half is in the formula); 0 = finetune");
      visit("mode", mode, one_of({"offline", "online"}), "own anchor per task, or the latest only");
      visit("gamma", gamma, between(0.0, 1.0), "online: how much of the old importance stays");
      visit("decay_in_loss", decay_in_loss, any(), "online: gamma once more in the penalty");
      visit("labels", labels,
            one_of({"auto", "exact", "sampled", "empirical", "weighted", "predicted", "batched"}),
            "whose labels the Fisher takes; auto = exact for classifiers, sampled for text; "
            "weighted = true ones times their probability; batched = squares of batch means");
      visit("rows", rows, at_least(0), "training rows for the Fisher; 0 = all");
      visit("divisor", divisor, one_of({"n", "n-1"}),
            "of the Fisher's sum: n = its rows (batched: its batches)");
    }
  };
  explicit Ewc(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    importance_ = setup.arena.twin("ewc.importance");
    anchor_ = setup.arena.twin("ewc.anchor");
  }

  void contribute(Update& update) override {
    if (!held_) return;
    const bool decayed = options_.mode == "online" && options_.decay_in_loss;
    update.add_quadratic(options_.lambda / 2 * (decayed ? options_.gamma : 1), importance_,
                         anchor_);
  }

  void after_task(const TaskEnd& end) override {
    if (end.last()) return;
    const MemoryTag tag(Category::workspace);
    const Tensor fisher = fisher_diagonal(end, {options_.labels, options_.rows, options_.divisor});
    const at::NoGradGuard no_grad;
    Tensor importance = importance_.tensor(), anchor = anchor_.tensor();
    if (options_.mode == "online") {
      importance.mul_(options_.gamma).add_(fisher);
      anchor.copy_(end.arena.values());
    } else {
      // mbar moves by the new task's share of the importance; where nothing is important, any
      // anchor does.
      importance.add_(fisher);
      const Tensor share = at::where(importance > 0, fisher / importance, at::ones_like(fisher));
      anchor.add_(share * (end.arena.values() - anchor));
    }
    held_ = true;
  }

  void state(Archive& archive) override { archive("held", held_); }

 private:
  Options options_;
  Twin importance_, anchor_;
  bool held_ = false;
};

}  // namespace

void add_ewc(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "ewc";
  entry.role = Role::regulariser;
  entry.summary = "Elastic weight consolidation: pulls important weights back to past optima.";
  entry.source = "Kirkpatrick et al. 2017, arXiv:1612.00796";
  entry.verified =
      "Fisher diagonals and penalties by hand (tests/fisher_test.cc, tests/ewc_test.cc); the code "
      "of "
      "van de Ven et al. 2022 (tests/cl_shared_test.cc)";
  entry.neutral.options = {{"lambda", "0"}};
  registry.add<Ewc>(std::move(entry));
}

}  // namespace lethe
