// Riemannian walk: a moving Fisher and the path's fall in loss per unit of distance, both taken
// during training.
//   F_i <- alpha g_i^2 + (1 - alpha) F_i                                  at every step
//   dL_i = -sum over `interval` steps of g_i (theta_i(after) - theta_i(before))
//   s_i += max(0, dL_i) / (1/2 F_i (moved over the interval)_i^2 + epsilon)   at its end
//   at the task's end: score <- s (task 1), or 1/2 (score + s); F and theta* as they stand
//   penalty = lambda sum_i (F_i / max F + score_i / max score) (theta_i - theta*_i)^2   (no half)
// g is the mean gradient of the batch's unregularised loss (true labels, no further pass); F starts
// as the first g^2 and goes on through all tasks; a task's last, shorter interval counts too.
// Negative scores are dropped at each interval, as in the authors' code (Avalanche: at the task's
// end). `normalise` = false leaves out both divisions. Without its memory of samples, which
// `replay` adds. Source: Chaudhry et al. 2018, arXiv:1801.10112, section 4.
#include "core/error.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class RiemannianWalk : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    double alpha = 0.9;
    int64_t interval = 10;
    double epsilon = 1e-3;
    bool normalise = true;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0), "penalty weight (no half); 0 = finetune");
      visit("alpha", alpha, between(0.0, 1.0), "weight of the newest squared gradient in F");
      visit("interval", interval, at_least(1), "steps between two additions to the score");
      visit("epsilon", epsilon, above(0.0), "damping of the score, in units of the loss");
      visit("normalise", normalise, any(), "divide F and score by their largest values");
    }
  };
  explicit RiemannianWalk(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    const auto twin = [&](const char* name) { return setup.arena.twin(name); };
    fisher_ = twin("rwalk.fisher");
    path_ = twin("rwalk.path");
    start_ = twin("rwalk.start");
    running_ = twin("rwalk.running");
    score_ = twin("rwalk.score");
    importance_ = twin("rwalk.importance");
    anchor_ = twin("rwalk.anchor");
  }

  void before_task(const TaskBegin& begin) override {
    const at::NoGradGuard no_grad;
    start_.tensor().copy_(begin.arena.values());
    path_.tensor().zero_();
    running_.tensor().zero_();
    steps_ = 0;
  }

  bool reads_gradient() const override { return true; }
  void contribute(Update& update) override {
    const at::NoGradGuard no_grad;
    const Tensor gradient = update.gradient();
    const double share = moving_ ? options_.alpha : 1;
    fisher_.tensor().mul_(1 - share).addcmul_(gradient, gradient, share);
    moving_ = true;
    update.add_path(path_, /*total=*/false);
    if (held_) update.add_quadratic(options_.lambda, importance_, anchor_);
  }

  void after_step(const StepEnd& end) override {
    if (++steps_ == options_.interval) close_interval(end.arena);
  }

  void after_task(const TaskEnd& end) override {
    const MemoryTag tag(Category::workspace);
    const at::NoGradGuard no_grad;
    if (steps_ > 0) close_interval(end.arena);
    if (held_) {
      score_.tensor().add_(running_.tensor()).mul_(0.5);
    } else {
      score_.tensor().copy_(running_.tensor());
    }
    importance_.tensor().copy_(scaled(fisher_.tensor()) + scaled(score_.tensor()));
    end.copy_values_to(anchor_);
    held_ = true;
  }

  void state(Archive& archive) override {
    archive("held", held_);
    archive("moving", moving_);
    archive("steps", steps_);
  }

  std::optional<PenaltyForm> penalty_form(const TaskStream&) const override {
    const Options usual;
    std::string importance = "moving Fisher and path score";
    if (options_.normalise) importance += ", normalised";
    if (options_.alpha != usual.alpha) importance += fmt::format(", alpha {}", options_.alpha);
    if (options_.interval != usual.interval) {
      importance += fmt::format(", interval {}", options_.interval);
    }
    if (options_.epsilon != usual.epsilon) {
      importance += fmt::format(", epsilon {}", options_.epsilon);
    }
    return PenaltyForm{"rwalk", importance, "", false, "latest"};
  }

 private:
  void close_interval(Arena& arena) {
    const MemoryTag tag(Category::workspace);
    const at::NoGradGuard no_grad;
    const Tensor moved = arena.values() - start_.tensor();
    const Tensor distance = moved.square().mul_(fisher_.tensor()).mul_(0.5).add_(options_.epsilon);
    running_.tensor().add_(path_.tensor().clamp_min(0).div_(distance));
    path_.tensor().zero_();
    start_.tensor().copy_(arena.values());
    steps_ = 0;
  }

  Tensor scaled(const Tensor& values) const {
    if (!options_.normalise) return values;
    const Tensor largest = values.max();
    return values / at::where(largest > 0, largest, at::ones_like(largest));
  }

  Options options_;
  Twin fisher_, path_, start_, running_, score_, importance_, anchor_;
  int64_t steps_ = 0;  // in the present interval
  bool moving_ = false, held_ = false;
};

}  // namespace

void add_rwalk(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "rwalk";
  entry.role = Role::regulariser;
  entry.summary = "Riemannian walk: holds by a moving Fisher and by the loss lowered per distance.";
  entry.source = "Chaudhry et al. 2018, arXiv:1801.10112";
  entry.verified = "trajectories computed by hand (tests/rwalk_test.cc)";
  entry.neutral.options = {{"lambda", "0"}};
  entry.readings = {
      {"alpha, interval",
       "The moving Fisher and the intervals of the path score are the paper's; the squares "
       "are those of a batch's mean gradient, which every step has at hand. Avalanche pays a "
       "second forward and backward pass a step for gradients of its own."},
      {"normalise",
       "The paper scales Fisher and score to at most 1 before it adds them; on by default."}};
  registry.add<RiemannianWalk>(std::move(entry));
}

}  // namespace lethe
