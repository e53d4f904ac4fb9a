// Memory aware synapses: important is what moves the outputs, whatever the labels.
//   Omega_i = 1/N sum_n |d ||f(x_n)||^2 / d theta_i|        over the task's training rows
//   penalty = lambda sum_i Omega_i (theta_i - theta*_i)^2     (no half), theta* = the latest values
// f are the logits of the units that a row may take (a masked head has no part); the absolute value
// is taken row by row, before the mean. norm = unsquared takes ||f(x_n)||, as FACIL does. Over
// tasks: combine = sum adds Omega, as the authors' code does; combine = average is Omega <- alpha
// Omega + (1 - alpha) Omega_t from task 2 on, a mix such as Avalanche's and FACIL's. Source:
// Aljundi et al. 2018, arXiv:1711.09601, eqs. 2 and 3, the squared norm of section 4.1.
#include "core/error.h"
#include "core/importance.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class MemoryAwareSynapses : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    std::string norm = "squared";
    std::string combine = "sum";
    double alpha = 0.5;
    int64_t rows = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0), "penalty weight (no half); 0 = finetune");
      visit("norm", norm, one_of({"squared", "unsquared"}), "of the logits");
      visit("combine", combine, one_of({"sum", "average"}),
            "importances over tasks: added, or a moving average");
      visit("alpha", alpha, between(0.0, 1.0), "average: the share of the old importance");
      visit("rows", rows, at_least(0), "training rows for the importance; 0 = all");
    }
  };
  explicit MemoryAwareSynapses(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    check_importance_rows("mas", options_.rows, setup.stream);
    importance_ = setup.arena.twin("mas.importance");
    anchor_ = setup.arena.twin("mas.anchor");
  }

  void contribute(Update& update) override {
    if (held_) update.add_quadratic(options_.lambda, importance_, anchor_);
  }

  void after_task(const TaskEnd& end) override {
    if (end.last()) return;
    const MemoryTag tag(Category::workspace);
    const Tensor fresh = sensitivity(end);
    const at::NoGradGuard no_grad;
    Tensor importance = importance_.tensor();
    if (options_.combine == "average" && held_) {
      importance.mul_(options_.alpha).add_(fresh, 1 - options_.alpha);
    } else {
      importance.add_(fresh);
    }
    end.copy_values_to(anchor_);
    held_ = true;
  }

  void state(Archive& archive) override { archive("held", held_); }

  std::optional<PenaltyForm> penalty_form(const TaskStream&) const override {
    PenaltyForm form{
        "mas",
        fmt::format("sensitivity of the {} norm, {} over tasks", options_.norm, options_.combine),
        "n", false, "latest"};
    const bool mixed = options_.combine == "average" && options_.alpha != Options().alpha;
    if (mixed) form.importance += fmt::format(", alpha {}", options_.alpha);
    return form;
  }

 private:
  /// d norm / d logits (P, C), each row's norm over all its predicted positions.
  Tensor cotangent(const Tensor& logits, const Batch& batch) const {
    Tensor f = logits.detach();
    if (batch.active.defined()) f = f.masked_fill(batch.active.logical_not(), 0);
    if (options_.norm == "squared") return f * 2;
    Tensor squares = f.square().sum(1);
    if (batch.row_of.defined()) {
      const Tensor rows = at::zeros({batch.rows()}, squares.options());
      squares = rows.index_add_(0, batch.row_of, squares).index_select(0, batch.row_of);
    }
    const Tensor norm = squares.sqrt().unsqueeze(1);
    return at::where(norm > 0, f / norm, at::zeros_like(f));
  }

  /// Mean over rows of the absolute gradient (n).
  Tensor sensitivity(const TaskEnd& end) const {
    const std::vector<int64_t> rows = importance_rows(end, options_.rows);
    const Evaluating evaluating(end.model);
    const bool together = rows_need_no_loop(end);
    Tensor total = end.arena.zeros();
    each_batch(end, rows, together ? rows_at_once(end) : 1, [&](const Batch& batch) {
      if (together) {
        RowGradients gradients(end.model, end.arena, batch, RowMeasure::absolute);
        gradients.add(cotangent(gradients.logits(), batch), total);
        gradients.finish(total);
      } else {
        add_row(end, batch, total);
      }
    });
    return total.div_(static_cast<double>(rows.size()));
  }

  void add_row(const TaskEnd& end, const Batch& row, const Tensor& total) const {
    const Tensor logits = end.model.forward(row);
    const auto gradients = range_gradients(end.arena, logits, cotangent(logits, row));
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      end.arena.slice(total, end.arena.ranges()[i]).add_(gradients[i].abs());
    }
  }

  Options options_;
  Twin importance_, anchor_;
  bool held_ = false;
};

}  // namespace

void add_mas(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "mas";
  entry.role = Role::regulariser;
  entry.summary = "Memory aware synapses: weights to which the outputs are sensitive are held.";
  entry.source = "Aljundi et al. 2018, arXiv:1711.09601";
  entry.verified = "importances and penalties computed by hand (tests/mas_test.cc)";
  entry.neutral.options = {{"lambda", "0"}};
  entry.conditions = {{"alpha", "combine", {"average"}}};
  entry.readings = {
      {"norm",
       "The paper differentiates the squared L2 norm of the outputs: `squared`, the default. "
       "FACIL takes the norm itself: `unsquared`."},
      {"-",
       "The absolute value is taken row by row, before the mean, as the definition has it; "
       "Avalanche takes it after the mean over a batch, where rows of opposite signs cancel."},
      {"combine, alpha",
       "The authors' code adds the importances of tasks: `sum`, the default. Avalanche and "
       "FACIL mix old and new by a weight: `average`."},
      {"lambda", "No half, as in the paper: the pull is 2 lambda Omega (theta - anchor)."}};
  registry.add<MemoryAwareSynapses>(std::move(entry));
}

}  // namespace lethe
