// Adaptive low-rank adaptation: a triplet form whose least important triplets are pruned while a
// task is trained, so that the rank goes where it is needed.
//   y = W x + b + s P Lambda Q dropout(x),   s = alpha / rank;  Lambda zero at the start
//   extra    = orthogonality * R, of D_P = P^T P - I and D_Q = Q Q^T - I over all seams:
//              norm: the mean of their norms ||D||_F;  squared: the sum of ||D||_F^2 (the paper)
//   I        = |theta g|;  I~ <- beta1 I~ + (1 - beta1) I;  U~ <- beta2 U~ + (1 - beta2) |I - I~|
//   score_i  = S(lambda_i) + mean_j S(P_ji) + mean_j S(Q_ij),   S = I~ U~
//   budget b(t) of triplets, over all seams:  rank n until the task's share `warmup`, then
//     target n + (rank n - target n)(1 - (t - t_i) / (T - t_i - t_f))^3, and target n in the last
//     share `final`, where the pattern stays
// T are the task's steps: every task starts with the whole budget, and ends within the target.
// R = norm is what peft does, and the default weight 0.5 is peft's for it.
// Source: Zhang et al. 2023, arXiv:2303.10512. P, Lambda, Q are peft's lora_B,
// lora_E, lora_A.
#include <cmath>

#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

struct AdaLoraOptions {
  int64_t rank = 12;
  int64_t target = 8;
  double alpha = 16;
  double dropout = 0;
  std::string targets = "all";
  std::string modules_to_save;
  double orthogonality = 0.5;
  std::string penalty = "norm";
  double beta1 = 0.85;
  double beta2 = 0.85;
  double warmup = 0.1;
  double final = 0.3;
  int64_t interval = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("rank", rank, at_least(1), "triplets of every seam at the start of a task");
    visit("target", target, at_least(1), "triplets a seam at its end, on average over seams");
    visit("alpha", alpha, above(0.0), "scale over rank");
    visit("dropout", dropout, below_from(0.0, 1.0), "on the adapter's input, in training");
    visit("targets", targets, any(),
          "all (every Linear but the head), or name endings: q_proj,v_proj");
    visit("modules_to_save", modules_to_save, any(),
          "seams trained whole, by name ending: classifier");
    visit("orthogonality", orthogonality, at_least(0.0), "weight of P's and Q's orthogonality");
    visit("penalty", penalty, one_of({"norm", "squared"}),
          "its form: norm (peft, whose weight is 0.5) or squared (the paper)");
    visit("beta1", beta1, below_from(0.0, 1.0), "decay of the sensitivity");
    visit("beta2", beta2, below_from(0.0, 1.0), "decay of the uncertainty");
    visit("warmup", warmup, below_from(0.0, 1.0), "share of a task's steps before pruning");
    visit("final", final, below_from(0.0, 1.0), "share of a task's steps after pruning");
    visit("interval", interval, at_least(1), "steps between prunings");
  }
};

class AdaLoraAdapter : public Adapter {
 public:
  AdaLoraAdapter(const AdaLoraOptions& options, const Linear& seam, Model& model,
                 at::Generator generator)
      : options_(options), model_(model) {
    const MemoryTag tag(Category::adapters);
    q_ = at::empty({options.rank, seam.in_features()}, at::kFloat).normal_(0, 0.02, generator);
    lambda_ = at::zeros({options.rank, 1}, at::kFloat);
    p_ = at::empty({seam.out_features(), options.rank}, at::kFloat).normal_(0, 0.02, generator);
    for (Tensor* value : {&q_, &lambda_, &p_}) value->set_requires_grad(true);
  }

  Tensor output(const Tensor& x, const Tensor& so_far) const override {
    const Tensor kept = on_ ? dropout(x, options_.dropout, model_.generator()) : x;
    return so_far + at::linear(at::linear(kept, q_ * lambda_), p_) * scale();
  }

  void parameters(const ParameterVisitor& visit) override {
    visit("lora_A", q_);
    visit("lora_E", lambda_);
    visit("lora_B", p_);
  }

  void merge(Tensor& weight, Tensor&) const override {
    const at::NoGradGuard no_grad;
    weight.add_(at::matmul(p_, q_ * lambda_), scale());
  }

  void train(bool on) override { on_ = on; }

  /// As LoRA: Lambda goes into Q.
  std::optional<AdapterForm> form() const override {
    const at::NoGradGuard no_grad;
    AdapterForm form;
    form.values = {{"lora_A.weight", q_ * lambda_}, {"lora_B.weight", p_.detach()}};
    form.alpha = options_.alpha;
    form.dropout = options_.dropout;
    return form;
  }

  /// ||P^T P - I||_F and ||Q Q^T - I||_F, or their squares, summed.
  Tensor disorder(bool squared) const {
    const Tensor one = at::ones({options_.rank}, q_.options()).diag_embed();
    const Tensor p = at::matmul(p_.t(), p_) - one, q = at::matmul(q_, q_.t()) - one;
    if (squared) return p.square().sum() + q.square().sum();
    return p.norm() + q.norm();
  }

  /// The scores (rank) of the triplets, from the scores S of every value in a flat tensor.
  Tensor scores(const Arena& arena, const Tensor& flat) const {
    const auto part = [&](const Tensor& parameter) {
      const ArenaRange* range = arena.range_of(parameter);
      if (range == nullptr) return at::zeros_like(parameter);  // frozen by another strategy
      return arena.slice(flat, *range);
    };
    return part(lambda_).view(-1) + part(p_).mean(0) + part(q_).mean(1);
  }

  /// Sets the lambdas to zero where `kept` (rank) is not.
  void prune(const Tensor& kept) {
    const at::NoGradGuard no_grad;
    lambda_.masked_fill_(kept.logical_not().unsqueeze(1), 0);
  }

 private:
  double scale() const { return options_.alpha / static_cast<double>(options_.rank); }

  AdaLoraOptions options_;
  Model& model_;
  Tensor q_;       // (rank, in)
  Tensor lambda_;  // (rank, 1)
  Tensor p_;       // (out, rank)
  bool on_ = false;
};

class AdaLora : public Strategy {
 public:
  using Options = AdaLoraOptions;
  explicit AdaLora(const Options& options) : options_(options) {
    if (options.target > options.rank) {
      fail("adalora: target = {} is above rank = {}; lower the target or raise the rank",
           options.target, options.rank);
    }
    if (options.warmup + options.final >= 1) {
      fail("adalora: warmup = {} and final = {} leave no steps to prune in; lower one",
           options.warmup, options.final);
    }
  }

  void prepare(Setup& setup) override {
    setup.model.set_trainable(false);
    for (Linear* seam : targeted("adalora", setup.model, options_.targets)) {
      adapters_.push_back(
          std::make_shared<AdaLoraAdapter>(options_, *seam, setup.model, setup.generator));
      seam->add_adapter(adapters_.back());
    }
    train_whole("adalora", setup.model, options_.modules_to_save);
    arena_ = &setup.arena;
    sensitivity_ = setup.arena.twin("adalora.sensitivity");
    uncertainty_ = setup.arena.twin("adalora.uncertainty");
  }

  void before_task(const TaskBegin& begin) override {
    steps_ = begin.steps;
    done_ = 0;
    sensitivity_.tensor().zero_();
    uncertainty_.tensor().zero_();
  }

  Tensor extra_loss(const Step&) override {
    if (options_.orthogonality == 0) return {};
    const bool squared = options_.penalty == "squared";
    Tensor sum;
    for (const auto& adapter : adapters_) {
      const Tensor one = adapter->disorder(squared);
      sum = sum.defined() ? sum + one : one;
    }
    const double number = squared ? 1 : 2 * static_cast<double>(adapters_.size());
    return sum * (options_.orthogonality / number);
  }

  bool writes_values() const override { return true; }
  bool reads_gradient() const override { return true; }
  void contribute(Update& update) override {
    if (done_ >= last()) return;
    const at::NoGradGuard no_grad;
    const MemoryTag tag(Category::workspace);
    const Tensor present = (arena_->values() * update.gradient()).abs_();
    Tensor mean = sensitivity_.tensor(), spread = uncertainty_.tensor();
    mean.mul_(options_.beta1).add_(present, 1 - options_.beta1);
    spread.mul_(options_.beta2).add_((present - mean).abs_(), 1 - options_.beta2);
  }

  void state(Archive& archive) override {
    archive("done", done_);
    auto chosen = static_cast<int64_t>(kept_.size());
    archive("chosen", chosen);
    kept_.resize(static_cast<size_t>(chosen));
    for (size_t i = 0; i < kept_.size(); ++i) {
      Tensor bytes = kept_[i].defined() ? kept_[i].to(at::kByte) : Tensor();
      archive(fmt::format("kept.{}", i), bytes);
      kept_[i] = bytes.to(at::kBool).to(arena_->values().device());
    }
  }

  void after_step(const StepEnd& end) override {
    ++done_;
    const bool pruning = done_ > first() && done_ % options_.interval == 0;
    if (done_ == last() || (done_ < last() && pruning)) choose(end.arena);
    if (done_ >= last() || pruning) {
      for (size_t i = 0; i < adapters_.size(); ++i) adapters_[i]->prune(kept_[i]);
    }
  }

 private:
  int64_t share(double of) const {
    return static_cast<int64_t>(std::floor(of * static_cast<double>(steps_)));
  }
  int64_t first() const { return share(options_.warmup); }         // t_i
  int64_t last() const { return steps_ - share(options_.final); }  // T - t_f

  int64_t budget() const {
    const auto seams = static_cast<int64_t>(adapters_.size());
    const double left =
        1 - static_cast<double>(done_ - first()) / static_cast<double>(last() - first());
    const auto surplus = static_cast<double>((options_.rank - options_.target) * seams);
    return options_.target * seams + static_cast<int64_t>(surplus * left * left * left);
  }

  /// Keeps the budget's best triplets of all seams together; among equals the first.
  void choose(const Arena& arena) {
    const at::NoGradGuard no_grad;
    const Tensor flat = sensitivity_.tensor() * uncertainty_.tensor();
    std::vector<Tensor> scores;
    for (const auto& adapter : adapters_) scores.push_back(adapter->scores(arena, flat));
    const Tensor all = at::cat(scores).cpu();
    const Tensor order = all.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
    Tensor kept = at::zeros(all.sizes(), at::kBool);
    kept.index_fill_(0, order.narrow(0, 0, budget()), 1);
    kept_ = kept.to(flat.device()).split(options_.rank);
  }

  Options options_;
  std::vector<std::shared_ptr<AdaLoraAdapter>> adapters_;
  const Arena* arena_ = nullptr;
  Twin sensitivity_, uncertainty_;
  int64_t steps_ = 0, done_ = 0;  // of the present task
  std::vector<Tensor> kept_;      // (rank) bool a seam
};

}  // namespace

void add_adalora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "adalora";
  entry.role = Role::adapter;
  entry.summary = "Low-rank adapters whose ranks are pruned by importance within each task.";
  entry.source = "Zhang et al. 2023, arXiv:2303.10512";
  entry.verified = "budget, scores and penalties by hand (tests/adalora_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"penalty",
       "The paper's orthogonality term is the squared Frobenius norm; peft adds the norm "
       "itself: `norm`, the default, for whose scale its weight 0.5 is meant."},
      {"interval, warmup, final",
       "The schedule runs once a task; the paper has one task. Ranks that a task gave up are "
       "free again in the next."}};
  registry.add<AdaLora>(std::move(entry));
}

}  // namespace lethe
