// Orthogonal subspace fine-tuning: before each task every weight is split by its singular value
// decomposition; the top directions are frozen, the rest is trained orthogonal to them.
//   W = U_h S_h V_h + U S V,   y = U_h U_h^T W x + U S V x + b
//   g_U <- (I - U_h U_h^T) g_U,   g_V <- g_V (I - V_h^T V_h)
// So the weight's action on the span of V_h, and its outputs along U_h, stay what earlier tasks
// left. The same projections are applied to U and V after each step: the optimizer's own scaling of
// the gradient would leave the subspace (peft projects the gradient alone).
// `preserved` is the same share of every seam, peft's default; the paper also gives layers shares
// of their own. After a task the parts are merged, and the next task splits the new weight: new
// parameters with names of their own. The split changes the logits by rounding only.
// Source: Nayak et al. 2025, arXiv:2504.07097; peft's OSF.
#include <cmath>
#include <tuple>

#include "core/capture.h"
#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class OsfAdapter : public Adapter {
 public:
  OsfAdapter(Linear& seam, double preserved, int64_t task) : seam_(seam), task_(task) {
    const int64_t smaller = std::min(seam.in_features(), seam.out_features());
    high_ = static_cast<int64_t>(std::floor(preserved * static_cast<double>(smaller)));
    const MemoryTag tag(Category::adapters);
    std::tie(u_, s_, v_) = split();
    for (Tensor* value : {&u_, &s_, &v_}) value->set_requires_grad(true);
  }

  Tensor output(const Tensor& x, const Tensor& so_far) const override {
    const Tensor& bias = seam_.bias();
    const Tensor plain = bias.defined() ? so_far - bias : so_far;
    const Tensor kept = at::matmul(at::matmul(plain, u_high_), u_high_.t());
    const Tensor inner = at::linear(x, v_), scaled = inner * s_, low = at::linear(scaled, u_);
    detail::record(Capture::Kind::product, v_, x, inner);
    detail::record(Capture::Kind::gain, s_, inner, scaled);
    detail::record(Capture::Kind::product, u_, scaled, low);
    const Tensor y = kept + low;
    return bias.defined() ? y + bias : y;
  }

  void parameters(const ParameterVisitor& visit) override {
    visit(fmt::format("osf_U.task{}", task_), u_);
    visit(fmt::format("osf_S.task{}", task_), s_);
    visit(fmt::format("osf_V.task{}", task_), v_);
  }

  void merge(Tensor& weight, Tensor&) const override {
    const at::NoGradGuard no_grad;
    weight = at::matmul(u_high_, at::matmul(u_high_.t(), weight)) + at::matmul(u_ * s_, v_);
  }

  /// Takes what lies along the frozen directions out of U's and V's gradients, or out of their
  /// values.
  void project_gradients() const {
    if (u_.grad().defined()) project(u_.grad(), v_.grad());
  }
  void project_values() const { project(u_, v_); }

  /// Sets the frozen directions from the base as it is; returns the rest of its decomposition.
  std::tuple<Tensor, Tensor, Tensor> split() {
    const at::NoGradGuard no_grad;
    const MemoryTag tag(Category::adapters);
    const auto [u, s, v] = seam_.base().dense().detach().svd();  // u (out, n), v (in, n)
    const int64_t low = s.numel() - high_;
    u_high_ = u.narrow(1, 0, high_).clone();
    v_high_ = v.narrow(1, 0, high_).t().contiguous();
    return {u.narrow(1, high_, low).clone(), s.narrow(0, high_, low).clone(),
            v.narrow(1, high_, low).t().contiguous()};
  }

 private:
  void project(Tensor u, Tensor v) const {
    const at::NoGradGuard no_grad;
    u.sub_(at::matmul(u_high_, at::matmul(u_high_.t(), u)));
    v.sub_(at::matmul(at::matmul(v, v_high_.t()), v_high_));
  }

  Linear& seam_;
  int64_t task_, high_;
  Tensor u_high_, v_high_;  // (out, k), (k, in), frozen
  Tensor u_, s_, v_;        // (out, n - k), (n - k), (n - k, in)
};

class Osf : public Strategy {
 public:
  struct Options {
    double preserved = 0.5;
    std::string targets = "all";
    std::string modules_to_save;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("preserved", preserved, below_from(0.0, 1.0),
            "share of a weight's singular directions, the largest, that is frozen");
      visit("targets", targets, any(),
            "all (every Linear but the head), or name endings: q_proj,v_proj");
      visit("modules_to_save", modules_to_save, any(),
            "seams trained whole, by name ending: classifier");
    }
  };
  explicit Osf(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    setup.model.set_trainable(false);
    seams_ = targeted("osf", setup.model, options_.targets);
    for (Linear* seam : seams_) require_float("osf", *seam, "osf rewrites it after every task");
    train_whole("osf", setup.model, options_.modules_to_save, seams_);
  }

  void adapt(Setup&, int64_t task) override {
    if (task <= task_) return;
    task_ = task;
    adapters_.clear();
    for (Linear* seam : seams_) {
      seam->merge_adapters();
      adapters_.push_back(std::make_shared<OsfAdapter>(*seam, options_.preserved, task));
      seam->add_adapter(adapters_.back());
    }
  }

  void contribute(Update&) override {
    for (const auto& adapter : adapters_) adapter->project_gradients();
  }

  bool writes_values() const override { return true; }
  void after_step(const StepEnd&) override {
    for (const auto& adapter : adapters_) adapter->project_values();
  }

  /// The bases as earlier tasks left them, from which the split follows. The first task's is the
  /// model's own.
  void state(Archive& archive) override {
    if (task_ < 2) return;
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < seams_.size(); ++i) {
      Tensor base = seams_[i]->base().dense();
      archive(seams_[i]->name(), base);
      if (!archive.reading()) continue;
      seams_[i]->base().dense().copy_(base);
      adapters_[i]->split();
    }
  }

 private:
  Options options_;
  std::vector<Linear*> seams_;
  std::vector<std::shared_ptr<OsfAdapter>> adapters_;
  int64_t task_ = 0;  // whose parts are trained
};

}  // namespace

void add_osf(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "osf";
  entry.role = Role::adapter;
  entry.new_parameters_each_task = true;
  entry.summary = "Full fine-tuning with every weight's top singular directions frozen.";
  entry.source = "Nayak et al. 2025, arXiv:2504.07097";
  entry.verified = "frozen directions keep their outputs; projections by hand";
  entry.neutral.exists = false;
  entry.readings = {
      {"modules_to_save",
       "Each task trains parameters of its own, so that a regulariser beside it holds only what is "
       "named here; without a name that is refused."},
      {"preserved",
       "The same share of the singular directions of every seam is frozen, as in the default "
       "of peft; the paper also gives layers shares of their own."},
      {"-",
       "Gradients and, after the step, values are projected: with Adam, projected gradients "
       "alone do not keep the step in the free subspace."}};
  registry.add<Osf>(std::move(entry));
}

}  // namespace lethe
