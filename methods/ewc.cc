// Elastic weight consolidation: a quadratic pull towards each past task's optimum, weighted by its
// Fisher.
//   penalty = sum_{t} lambda/2 sum_i F_{t,i} (theta_i - theta*_{t,i})^2          (offline, the
//   paper's form)
// Offline EWC is kept as one importance Fbar = sum_t F_t and one anchor mbar = sum_t F_t theta*_t /
// Fbar, which differs from the sum of separate anchors by a constant only: exact for any number of
// tasks. Online: F <- gamma F + F_t, anchor = the latest theta*; `decay_in_loss` multiplies by
// gamma once more when the penalty is used, as eq. 8 of Schwarz et al. reads; combine = average: F
// <- gamma F + (1 - gamma) F_t. `clamp` bounds F_t, heads = free leaves it out there. F_t is a mean
// over rows; whose labels it takes changes lambda's meaning by orders of magnitude, hence the
// options. Sources: Kirkpatrick et al. 2017, arXiv:1612.00796, eq. 3; Schwarz et al. 2018,
// arXiv:1805.06370; the collapse: Huszar 2018, PNAS 115:E2496; readings of F: van de Ven 2025,
// arXiv:2502.11756.
#include <algorithm>

#include "core/error.h"
#include "core/fisher.h"
#include "core/importance.h"
#include "methods/methods.h"

namespace lethe {
namespace {

bool has_head(Model& model) {
  const auto seams = model.seams();
  return std::any_of(seams.begin(), seams.end(),
                     [](const Seam* seam) { return seam->kind() == SeamKind::head; });
}

class Ewc : public Strategy {
 public:
  struct Options {
    double lambda = 100;
    std::string mode = "offline";
    double gamma = 1;
    bool decay_in_loss = false;
    std::string combine = "sum";
    std::string heads = "held";
    double clamp = 0;
    std::string labels = "auto";
    int64_t rows = 0;
    std::string divisor = "n";
    std::string per = "sequence";
    int64_t batch = 128;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0),
            "penalty weight (the half is in the formula); 0 = finetune");
      visit("mode", mode, one_of({"offline", "online"}), "own anchor per task, or the latest only");
      visit("gamma", gamma, between(0.0, 1.0), "online: how much of the old importance stays");
      visit("decay_in_loss", decay_in_loss, any(), "online: gamma once more in the penalty");
      visit("combine", combine, one_of({"sum", "average"}),
            "online: gamma times the old importance and all of the new, or 1 - gamma of it");
      visit("heads", heads, one_of({"held", "free"}), "whether the head has importance");
      visit("clamp", clamp, at_least(0.0), "upper bound of a task's Fisher; 0 = none");
      visit("labels", labels,
            one_of({"auto", "exact", "sampled", "empirical", "weighted", "predicted", "batched"}),
            "whose labels the Fisher takes; auto = exact up to 100 classes, sampled above and for "
            "text; weighted = true ones times their probability; batched = squares of batch means");
      visit("rows", rows, at_least(0), "training rows for the Fisher; 0 = all");
      visit("divisor", divisor, one_of({"n", "n-1"}),
            "of the Fisher's sum: n = its rows (batched: its batches; per token: its tokens)");
      visit("per", per, one_of({"sequence", "token"}),
            "text: a sample of the Fisher is a whole response, or each token by itself");
      visit("batch", batch, at_least(1), "batched: rows whose mean gradient is squared");
    }
  };
  explicit Ewc(const Options& options) : options_(options) {
    if (options.combine == "average" && options.gamma == 1) {
      fail("ewc: combine = average with gamma = 1 never counts a new task; set gamma below 1");
    }
  }

  void prepare(Setup& setup) override {
    check_fisher("ewc", fisher_options(), setup.stream);
    if (options_.heads == "free" && !has_head(setup.model)) {
      fail(
          "ewc: heads = free, but the model has no head of its own: its outputs are the token "
          "table's; leave heads out");
    }
    importance_ = setup.arena.twin("ewc.importance");
    anchor_ = setup.arena.twin("ewc.anchor");
  }

  void before_task(const TaskBegin& begin) override {
    if (options_.per != "token" || begin.stream.classes > 0 || begin.task > 1) return;
    const Evaluating evaluating(begin.model);
    const Rows& rows = *begin.stream.tasks[0].train;
    const auto device = begin.arena.values().device();
    if (RowGradients::covers(begin.model, begin.arena, probe_of(rows, device))) return;
    fail(
        "ewc: per = token needs to see every use of what is trained, and some part of this model "
        "or "
        "its adapters hides one; use per = sequence");
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
    const Tensor fisher = counted_fisher(end);
    const at::NoGradGuard no_grad;
    Tensor importance = importance_.tensor(), anchor = anchor_.tensor();
    if (options_.mode == "online") {
      const bool averaged = options_.combine == "average";
      importance.mul_(options_.gamma).add_(fisher, averaged ? 1 - options_.gamma : 1);
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

  std::optional<PenaltyForm> penalty_form(const TaskStream& stream) const override {
    const std::string labels = fisher_labels(options_.labels, stream);
    const bool online = options_.mode == "online";
    PenaltyForm form{"ewc", fmt::format("Fisher, {} labels", labels), options_.divisor, true,
                     online ? "latest" : "own of each task"};
    if (labels == "batched") form.importance = fmt::format("Fisher, batches of {}", options_.batch);
    if (stream.classes == 0 && labels != "batched") form.importance += ", per " + options_.per;
    if (online) form.importance += fmt::format(", gamma {}", options_.gamma);
    if (online && options_.decay_in_loss) form.importance += " also in the loss";
    if (options_.combine == "average") form.importance += ", averaged over tasks";
    if (options_.clamp > 0) form.importance += fmt::format(", at most {}", options_.clamp);
    if (options_.heads == "free") form.importance += ", none on the head";
    return form;
  }

 private:
  /// The task's Fisher (n), as far as it counts.
  Tensor counted_fisher(const TaskEnd& end) const {
    Tensor fisher = fisher_diagonal(end, fisher_options());
    const at::NoGradGuard no_grad;
    if (options_.clamp > 0) fisher.clamp_max_(options_.clamp);
    if (options_.heads == "held") return fisher;
    for (Seam* seam : end.model.seams()) {
      if (seam->kind() != SeamKind::head) continue;
      seam->parameters([&](const std::string&, Tensor& value) {
        const ArenaRange* range = end.arena.range_of(value);
        if (range != nullptr) end.arena.slice(fisher, *range).zero_();
      });
    }
    return fisher;
  }

  FisherOptions fisher_options() const {
    return {options_.labels, options_.rows, options_.divisor, options_.batch, options_.per};
  }

  Options options_;
  Twin importance_, anchor_;
  bool held_ = false;
};

/// Where papers and codes differ.
std::vector<Reading> readings() {
  return {
      {"mode, anchor",
       "Kirkpatrick et al. 2017 keep one penalty a task, each around its own optimum: "
       "`offline`, the default, exactly so (two anchors of the golden example give 3.45; one "
       "re-centred anchor gives 4.95). `online` is Schwarz et al. 2018 (arXiv:1805.06370), "
       "which holds the latest values only; several public codes do that and call it EWC."},
      {"gamma",
       "Schwarz et al. add each task's Fisher to gamma times the sum before: with gamma = 1 "
       "every task counts alike."},
      {"combine",
       "`sum` as Schwarz et al. have it. FACIL averages, its alpha of 0.5 times the old plus 1 - "
       "alpha times the new, of the first task too, which halves old tasks again and again: "
       "`average`, with gamma as alpha. PyCIL's alpha, and FACIL's where it is set so, is the "
       "share of classes already known, which no option gives."},
      {"clamp",
       "The paper has no bound. PyCIL cuts the Fisher at 1e-4, so that lambda depends on the cut."},
      {"labels",
       "Kirkpatrick's Fisher is an expectation over the model's own labels: `exact`, the "
       "default where a pass a class can be paid, and the best of those that van de Ven 2025 "
       "(arXiv:2502.11756) compares; `sampled` estimates it by one draw, the default for "
       "text and above 100 classes. `empirical` (true labels: FACIL as an option, most "
       "loss-based code), `predicted` (FACIL's default), `weighted` (Mammoth: the true "
       "label's squared gradient times its probability) and `batched` (Avalanche: squares of "
       "a batch's mean gradient) are other quantities: lambda must be searched anew for "
       "each."},
      {"per",
       "A text row has many labels. `sequence`, the default, takes a response as one sample, "
       "as the definition reads for a model of whole responses; `token` counts every "
       "position by itself, which leaves out the products between positions, costs one "
       "product a layer and is smaller by about the length."},
      {"divisor",
       "The mean over samples: `n`. The code of van de Ven et al. 2022 divides a full pass "
       "by its last loop index, `n-1`; Avalanche divides by batches; both stay reachable, "
       "for comparison with their numbers."},
      {"lambda",
       "The half stands in the formula, as in the paper and in van de Ven's code and FACIL; "
       "Avalanche and Mammoth leave it out: there half of this lambda does the same."},
      {"heads",
       "All trained values are held, the head too, as in the paper and van de Ven's code: `held`. "
       "FACIL leaves heads out: `free`. With one head for all classes a held one learns new "
       "classes hardly."},
      {"decay_in_loss",
       "Equation 8 of Schwarz et al. multiplies the running importance by gamma once more "
       "when it is used, and van de Ven's code follows it; Mammoth does not. Off by default: "
       "with gamma = 1 both agree."}};
}

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
  entry.conditions = {{"gamma", "mode", {"online"}},
                      {"decay_in_loss", "mode", {"online"}},
                      {"combine", "mode", {"online"}},
                      {"batch", "labels", {"batched"}},
                      {"per", "labels", {"auto", "sampled", "empirical", "weighted", "predicted"}}};
  entry.readings = readings();
  registry.add<Ewc>(std::move(entry));
}

}  // namespace lethe
