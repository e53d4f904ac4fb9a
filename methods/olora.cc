// Orthogonal low-rank adaptation: a new adapter each task, held orthogonal to the frozen earlier
// ones.
//   extra = lambda1 sum_seams sum |A_old A_t^T|  +  lambda2 sum_seams (||A_t||_2 + ||B_t||_2)
// A_old (rank (t-1), in) are the earlier tasks' A's, stacked; A_t (rank, in) is this task's.
// penalty = absolute is what the authors' code does and their numbers were made with; squared is
// the paper's lambda1 sum (A_old A_t^T)^2. The norms of the lambda2 term are not squared, as in
// their code, and count in the first task too. With both weights 0 this is inclora.
// Source: Wang et al. 2023, arXiv:2310.14152.
#include "methods/methods.h"
#include "methods/task_adapters.h"

namespace lethe {
namespace {

class OLora : public TaskAdapters {
 public:
  struct Options : LowRankOptions {
    double lambda1 = 0.5;
    double lambda2 = 0;
    std::string penalty = "absolute";
    Options() { alpha = 32; }
    template <class Visit>
    void fields(Visit&& visit) {
      LowRankOptions::fields(visit);
      visit("lambda1", lambda1, at_least(0.0), "weight of the overlap with earlier adapters");
      visit("lambda2", lambda2, at_least(0.0), "weight of the new adapter's L2 norms");
      visit("penalty", penalty, one_of({"absolute", "squared"}),
            "overlap: absolute (the authors' code and numbers) or squared (the paper)");
    }
  };
  explicit OLora(const Options& options) : TaskAdapters("olora", options), options_(options) {}

  Tensor extra_loss(const Step&) override {
    Tensor loss;
    const auto add = [&loss](const Tensor& term) { loss = loss.defined() ? loss + term : term; };
    for (const auto& adapter : adapters()) {
      if (options_.lambda1 > 0 && adapter->earlier_a().defined()) {
        const Tensor overlap = at::matmul(adapter->earlier_a(), adapter->a().t());
        const bool squared = options_.penalty == "squared";
        add((squared ? overlap.square() : overlap.abs()).sum() * options_.lambda1);
      }
      if (options_.lambda2 > 0) {
        add((adapter->a().norm() + adapter->b().norm()) * options_.lambda2);
      }
    }
    return loss;
  }

 private:
  Options options_;
};

}  // namespace

void add_olora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "olora";
  entry.role = Role::adapter;
  entry.new_parameters_each_task = true;
  entry.summary = "A new LoRA adapter each task, kept orthogonal to the frozen earlier ones.";
  entry.source = "Wang et al. 2023, arXiv:2310.14152";
  entry.verified = "penalties by hand; the authors' loss and gradients (tests/olora_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"modules_to_save",
       "Each task trains parameters of its own, so that a regulariser beside it holds only what is "
       "named here, and biases; without any of them it is refused."},
      {"penalty",
       "The paper squares the overlaps, the authors' code sums absolute values, and its "
       "numbers were made so: `absolute`, the default (6 against 13.5 in the golden "
       "example)."},
      {"lambda1, lambda2",
       "0.5 and 0 as in the authors' scripts for short orders; for long ones they tuned "
       "both. The norms of `lambda2` are not squared, as in the code."},
      {"targets, dropout",
       "All Linears but the head and no dropout, as `inclora` here: with equal alpha the two "
       "differ in the penalty alone. The authors adapt q and v, with a dropout of 0.1 and alpha = "
       "32."},
      {"-",
       "Earlier pairs are stacked along the rank, not merged, so that the penalty still sees "
       "them. As the code does, it acts on the A that reads the input."}};
  registry.add<OLora>(std::move(entry));
}

}  // namespace lethe
