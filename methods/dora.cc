// Weight-decomposed low-rank adaptation: LoRA turns each row's direction, a magnitude of its own
// scales it.
//   y = b + m_j / n_j (W x + s B A x)_j,   n_j = || (W + s B A)_j ||_2 over the inputs
// m starts as the row norms of W and B at zero: the logits do not change. n counts as a constant in
// the backward pass, as in peft. It is computed as
//   n_j^2 = ||W_j||^2 + 2 s B_j (A W_j^T) + s^2 B_j (A A^T) B_j^T
// without the product B A, so that nothing of the weight's size is kept for it. Dropout acts on
// every x that m / n scales, as in peft. Source: Liu et al. 2024, arXiv:2402.09353.
#include "core/capture.h"
#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class DoraAdapter : public LowRankAdapter {
 public:
  DoraAdapter(const LowRankOptions& options, Linear& seam, Model& model, at::Generator generator)
      : LowRankAdapter(options, seam, model, std::move(generator)), seam_(seam) {
    const at::NoGradGuard no_grad;
    const MemoryTag tag(Category::adapters);
    squares_ = seam.base().dense().square().sum(1);
    if (squares_.min().item<double>() == 0) {
      fail(
          "dora: row {} of '{}' is zero, so it has no direction to keep; leave '{}' out of targets "
          "or choose lora",
          squares_.argmin().item<int64_t>(), seam.name(), seam.name());
    }
    magnitude_ = squares_.sqrt();
    magnitude_.set_requires_grad(true);
  }

  Tensor output(const Tensor& x, const Tensor& so_far) const override {
    const Tensor kept = dropped(x);
    const Tensor lengths = norms();
    const Tensor ratio = magnitude_ / lengths;
    Tensor plain = so_far;
    if (drops()) {
      plain = seam_.base().apply(kept, {});
    } else if (seam_.bias().defined()) {
      plain = so_far - seam_.bias();
    }
    const Tensor turned = product(kept) * scale();
    const Tensor y = so_far + (ratio - 1) * plain + ratio * turned;
    if (detail::recording()) {
      detail::record(Capture::Kind::gain, magnitude_, (plain + turned) / lengths, y);
    }
    return y;
  }

  void parameters(const ParameterVisitor& visit) override {
    LowRankAdapter::parameters(visit);
    visit("lora_magnitude_vector", magnitude_);
  }

  void merge(Tensor& weight, Tensor& bias) const override {
    const at::NoGradGuard no_grad;
    LowRankAdapter::merge(weight, bias);
    weight.mul_((magnitude_ / norms()).unsqueeze(1));
  }

 private:
  /// n (out), a constant for autograd.
  Tensor norms() const {
    const at::NoGradGuard no_grad;
    const double s = scale();
    const Tensor crossed = seam_.base().apply(a_, {}).t();  // W A^T (out, rank)
    const Tensor own = at::matmul(b_, at::matmul(a_, a_.t()));
    const Tensor squares = squares_ + (b_ * crossed).sum(1) * (2 * s) + (own * b_).sum(1) * (s * s);
    return squares.sqrt();
  }

  Linear& seam_;
  Tensor squares_;    // (out), of the rows of W
  Tensor magnitude_;  // (out)
};

class Dora : public Strategy {
 public:
  using Options = LowRankOptions;
  explicit Dora(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    adapt_targets("dora", options_, setup.model, [&](Linear& seam) {
      return std::make_shared<DoraAdapter>(options_, seam, setup.model, setup.generator);
    });
  }

 private:
  Options options_;
};

}  // namespace

void add_dora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "dora";
  entry.role = Role::adapter;
  entry.summary = "LoRA on the direction of each weight row, with a trained magnitude beside.";
  entry.source = "Liu et al. 2024, arXiv:2402.09353";
  entry.verified = "peft 0.21: logits, gradients, merged weights (tests/dora_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"-",
       "The norm counts as a constant in the backward pass, as section 4.3 of the paper "
       "proposes and peft does; dropout acts on every x that the magnitude scales, as in "
       "peft."}};
  registry.add<Dora>(std::move(entry));
}

}  // namespace lethe
