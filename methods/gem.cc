// Gradient episodic memory: no step may, to first order, raise the loss on any past task's memory.
//   g~ = g + sum_k v_k r_k,  the closest to g with g~.r_k >= 0 for every past task k
//   v  = arg min 1/2 v'Rv + (r_k.g)_k'v with v_k >= 0, R = (r_i.r_j)
// where some r_k.g < 0; else g~ = g. r_k = the gradient of the task loss on the memory of task k.
// A margin m favours past tasks beyond that, in two readings:
//   margin_as = bound: v_k >= m in the program (the authors' code)
//   margin_as = added: v_k + m after it (the paper, section 3)
// Quadratic penalties of other strategies are added after the projection. It takes one gradient a
// past task in each step and keeps them: T - 1 times the memory of the weights.
// Source: Lopez-Paz & Ranzato 2017, arXiv:1706.08840, eq. 11.
#include <algorithm>

#include "core/bounded_qp.h"
#include "core/error.h"
#include "core/flat_dot.h"
#include "core/replay_buffer.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Gem : public Strategy {
 public:
  struct Options {
    int64_t budget = 256;
    double margin = 0.5;
    std::string margin_as = "bound";
    int64_t batch = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("budget", budget, at_least(0),
            "rows kept of each task, booked as ids of 16 bytes; 0 = finetune");
      visit("margin", margin, at_least(0.0), "the least or the added weight of a past gradient");
      visit("margin_as", margin_as, one_of({"bound", "added"}),
            "v >= margin as in the authors' code, or v + margin as in the paper");
      visit("batch", batch, at_least(0), "rows a past task's gradient is taken on; 0 = all kept");
    }
  };
  explicit Gem(const Options& options) : options_(options) {
    kept_.budget = options.budget;
    kept_.per = "task";
  }

  void prepare(Setup& setup) override { check_buffer("gem", kept_, setup.stream); }

  void adapt(Setup& setup, int64_t) override { seed_ = setup.generator.current_seed(); }

  void before_task(const TaskBegin& begin) override {
    buffer_.open(begin.stream, begin.task, seed_);
    if (buffer_.empty()) return;
    past_.clear();
    for (int64_t k = 1; k < begin.task; ++k) {
      past_.push_back(begin.arena.twin(fmt::format("gem.gradient.{}", k)));
    }
  }

  bool reads_gradient() const override { return true; }
  void contribute(Update& update) override {
    if (buffer_.empty()) return;
    const size_t tasks = past_.size();
    const int64_t count = options_.batch > 0 ? options_.batch : options_.budget;
    std::vector<double> products(tasks);
    for (size_t k = 0; k < tasks; ++k) {
      const MemoryTag tag(Category::activations);
      update.gradient_of(buffer_.draw_of(static_cast<int64_t>(k) + 1, count).batch, past_[k]);
      products[k] = flat_dot(update.gradient(), past_[k].tensor());
    }
    if (std::none_of(products.begin(), products.end(), [](double p) { return p < 0; })) return;
    const at::NoGradGuard no_grad;
    const std::vector<double> weights = multipliers(products);
    for (size_t k = 0; k < tasks; ++k) update.gradient().add_(past_[k].tensor(), weights[k]);
  }

  void after_task(const TaskEnd& end) override {
    buffer_.keep(kept_, end.stream, end.task, end.generator.current_seed());
  }

  void state(Archive& archive) override { buffer_.state(archive); }

 private:
  std::vector<double> multipliers(const std::vector<double>& products) const {
    const size_t tasks = past_.size();
    std::vector<double> gram(tasks * tasks);
    for (size_t i = 0; i < tasks; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        gram[i * tasks + j] = flat_dot(past_[i].tensor(), past_[j].tensor());
        gram[j * tasks + i] = gram[i * tasks + j];
      }
    }
    if (options_.margin_as == "bound") return bounded_qp(gram, products, options_.margin);
    std::vector<double> weights = bounded_qp(gram, products, 0);
    for (double& weight : weights) weight += options_.margin;
    return weights;
  }

  Options options_;
  BufferOptions kept_;
  ReplayBuffer buffer_;
  std::vector<Twin> past_;  // the gradient on each past task's memory
  uint64_t seed_ = 0;
};

}  // namespace

void add_gem(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "gem";
  entry.role = Role::data;
  entry.summary = "Projects a gradient that would raise the loss on the memory of any past task.";
  entry.source = "Lopez-Paz & Ranzato 2017, arXiv:1706.08840";
  entry.verified = "every choice of active constraints tried by hand on random small cases";
  entry.neutral.options = {{"budget", "0"}};
  entry.readings = {
      {"margin, margin_as",
       "The paper adds the margin to the multipliers; the authors' code bounds them from "
       "below by it: `bound`, the default, which their numbers were made with. `added` is "
       "the paper."},
      {"batch",
       "The gradient of a past task over all of its kept rows, as in the paper and the code."}};
  registry.add<Gem>(std::move(entry));
}

}  // namespace lethe
