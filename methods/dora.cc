// Weight-decomposed low-rank adaptation: LoRA turns each row's direction, a magnitude of its own
// scales it.
//   y = b + m_j / n_j (W x + s B A x)_j,   n_j = || (W + s B A)_j ||_2 over the inputs
// m starts as the row norms of W and B at zero: the logits do not change.
// Source: Liu et al. 2024, arXiv:2402.09353.
#include "core/adapters/dora.h"

#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

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
