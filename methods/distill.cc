// Distillation: keeps the outputs of a teacher.
//   extra = alpha * s * T^2? * CE(softmax(teacher / T), softmax(student / T)), mean over positions
// teacher = previous (learning without forgetting): the model before the task, over the units it
// had
//   learned. Task-incremental: each past task's units by themselves, averaged, s = number of past
//   tasks (weighting = contexts); class-incremental: all past units together, s = 1.
// teacher = larger: a wider model trained jointly on all tasks (cached), over all units, in every
// task. Cross-entropy and KL(teacher || student) differ by the teacher's entropy, which has no
// gradient. Sources: Li & Hoiem 2016, arXiv:1606.09282; Hinton et al. 2015, arXiv:1503.02531; the
// weighting: van de Ven et al. 2022, Nature MI 4:1185.

#include "core/error.h"
#include "core/loss.h"
#include "core/recorded_logits.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Distill : public Strategy {
 public:
  struct Options {
    std::string teacher = "previous";
    double alpha = 1;
    double temperature = 2;
    bool t_squared = false;
    std::string weighting = "contexts";
    std::string units = "past";
    std::string logits = "auto";
    double scale = 2;
    int64_t teacher_steps = 1000;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("teacher", teacher, one_of({"previous", "larger"}),
            "the model before the task, or a wider one");
      visit("alpha", alpha, at_least(0.0), "weight beside the task loss; 0 = finetune");
      visit("temperature", temperature, above(0.0), "divides both logits");
      visit("t_squared", t_squared, any(), "also multiply by temperature squared");
      visit("weighting", weighting, one_of({"contexts", "constant"}),
            "contexts: times the number of past tasks (not class-incremental)");
      visit("units", units, one_of({"past", "all"}),
            "class-incremental: the student's softmax over past units, or over all, where the "
            "teacher gives the others 0 as in van de Ven et al.'s code");
      visit("logits", logits, one_of({"auto", "forward", "recorded"}),
            "teacher's forward pass in every step, or its logits recorded once a task by row; auto "
            "= recorded for classifiers, forward for text");
      visit("scale", scale, above(0.0), "larger: its width over the model's");
      visit("teacher_steps", teacher_steps, at_least(1), "larger: updates on all tasks together");
    }
  };
  explicit Distill(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    recorded_ =
        options_.logits == "recorded" || (options_.logits == "auto" && setup.stream.classes > 0);
    if (options_.teacher == "previous") {
      // Recorded logits stand for the model before the task, which need not be kept.
      if (!recorded_) before_ = setup.arena.twin("distill.teacher");
    } else if (options_.alpha > 0) {
      if (!setup.open_teacher) {
        fail(
            "distill: teacher = larger needs a way to train one, which this run lacks; use "
            "previous");
      }
      larger_ = setup.open_teacher({options_.scale, options_.teacher_steps});
      larger_->train(false);
    }
  }

  void before_task(const TaskBegin& begin) override {
    if (options_.alpha == 0 || (!larger_ && begin.task == 1)) return;
    const at::NoGradGuard no_grad;
    if (before_) before_.tensor().copy_(begin.arena.values());
    if (!recorded_) return;
    Model& teacher = larger_ ? *larger_ : begin.model;
    const Evaluating evaluating(teacher);
    logits_.record(begin.plan, kRecordRows, begin.arena.values().device(),
                   [&](const Batch& batch) { return teacher.forward(batch); });
  }

  Tensor extra_loss(const Step& step) override {
    if (options_.alpha == 0 || (!larger_ && step.task == 1)) return {};
    const double squared = options_.t_squared ? options_.temperature * options_.temperature : 1;
    return summed_units(step, taught_by(step)) * (options_.alpha * squared);
  }

 private:
  static constexpr int64_t kRecordRows = 1024;

  Tensor taught_by(const Step& step) const {
    const at::NoGradGuard no_grad;
    const Tensor raw = recorded_ ? logits_.of(step.batch)
                       : larger_ ? larger_->forward(step.batch)
                                 : step.under(before_, step.batch);
    return larger_ ? masked_logits(raw, step.batch) : raw;
  }

  Tensor cross_entropy(const Tensor& taught, const Tensor& student) const {
    return cross_entropy_of_logs(taught, at::log_softmax(student / options_.temperature, 1));
  }

  Tensor cross_entropy_of_logs(const Tensor& taught, const Tensor& logs) const {
    const Tensor targets = (taught / options_.temperature).softmax(1);
    return -at::where(targets > 0, targets * logs, at::zeros_like(logs)).sum(1).mean();
  }

  static Tensor units(const Tensor& logits, const std::vector<int64_t>& classes) {
    return logits.index_select(1, at::tensor(classes, logits.options().dtype(at::kLong)));
  }

  /// By scenario: which units are compared, and the factor s.
  Tensor summed_units(const Step& step, const Tensor& taught) const {
    const Tensor student = larger_ ? masked_logits(step.logits, step.batch) : step.logits;
    const bool whole =
        larger_ || step.stream.classes == 0 || step.stream.scenario == Scenario::domain_incremental;
    const auto past = step.task - 1;
    const bool contexts = !larger_ && options_.weighting == "contexts" &&
                          step.stream.scenario != Scenario::class_incremental;
    const double factor = contexts ? static_cast<double>(past) : 1;
    if (whole) return cross_entropy(taught, student) * factor;
    if (step.stream.scenario == Scenario::class_incremental) {
      std::vector<int64_t> seen;
      for (int64_t t = 0; t < past; ++t) {
        const auto& classes = step.stream.tasks[static_cast<size_t>(t)].classes;
        seen.insert(seen.end(), classes.begin(), classes.end());
      }
      if (options_.units == "all") {
        const Tensor logs = at::log_softmax(student / options_.temperature, 1);
        return cross_entropy_of_logs(units(taught, seen), units(logs, seen));
      }
      return cross_entropy(units(taught, seen), units(student, seen));
    }
    Tensor sum = at::zeros({}, student.options());
    for (int64_t t = 0; t < past; ++t) {
      const auto& classes = step.stream.tasks[static_cast<size_t>(t)].classes;
      sum = sum + cross_entropy(units(taught, classes), units(student, classes));
    }
    return sum * (factor / static_cast<double>(past));
  }

  Options options_;
  bool recorded_ = false;
  Twin before_;            // the model before the task, where it answers in every step
  RecordedLogits logits_;  // its answers, where they are recorded
  std::shared_ptr<Model> larger_;
};

}  // namespace

void add_distill(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "distill";
  entry.role = Role::distillation;
  entry.summary =
      "Learning without forgetting, or classic distillation from a larger joint teacher.";
  entry.source = "Li & Hoiem 2016, arXiv:1606.09282; Hinton et al. 2015, arXiv:1503.02531";
  entry.verified = "cross-entropies computed by hand (tests/distill_test.cc)";
  entry.neutral.options = {{"alpha", "0"}};
  registry.add<Distill>(std::move(entry));
}

}  // namespace lethe
