// Low-rank adaptation: the base is frozen, each targeted Linear gains a low-rank product.
//   y = W x + b + s B A dropout(x),   s = alpha / rank, or alpha / sqrt(rank) with rslora
// A (rank, in) uniform in +-1/sqrt(in), B (out, rank) zero: at the start the logits do not change.
// Sources: Hu et al. 2021, arXiv:2106.09685; rank-stabilised: Kalajdzievski 2023, arXiv:2312.03732;
// on an NF4 base: Dettmers et al. 2023, arXiv:2305.14314.
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Lora : public Strategy {
 public:
  using Options = LowRankOptions;
  explicit Lora(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    adapt_targets("lora", options_, setup.model, [&](Linear& seam) {
      return std::make_shared<LowRankAdapter>(options_, seam, setup.model, setup.generator);
    });
  }

 private:
  Options options_;
};

}  // namespace

void add_lora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "lora";
  entry.role = Role::adapter;
  entry.summary = "Low-rank adapters on a frozen base; qlora is lora on an NF4 base.";
  entry.source = "Hu et al. 2021, arXiv:2106.09685; Dettmers et al. 2023, arXiv:2305.14314";
  entry.verified = "product by hand; merged weights give the same logits";
  entry.neutral.exists = false;
  entry.readings = {
      {"alpha, rslora",
       "Scale alpha / r as in the paper; `rslora` divides by the root of r (Kalajdzievski "
       "2023, arXiv:2312.03732), which is stable at large ranks."},
      {"targets",
       "All Linears but the head. The paper adapts the query and value projections, and "
       "peft's default too; Dettmers et al. 2023 (arXiv:2305.14314) found that all are "
       "needed to reach full fine-tuning."},
      {"-",
       "A is uniform in +-1/sqrt(in), as peft's Kaiming initialisation with a = sqrt(5) "
       "comes to; the paper draws it from a normal distribution. B is 0 in both."}};
  registry.add<Lora>(std::move(entry));
}

}  // namespace lethe
