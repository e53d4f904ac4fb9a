// Distillation: keeps the outputs of a teacher.
//   extra = alpha * s * T^2? * D(softmax(teacher / T), softmax(student / T)), mean over positions
// D is the cross-entropy, or what `loss` says (core/distillation_loss.h).
// teacher = previous (learning without forgetting): the model before the task, over the units it
// had
//   learned. Task-incremental: each past task's units by themselves, averaged, s = number of past
//   tasks (weighting = contexts); class-incremental: all past units together, s = 1.
// teacher = larger: another model, over all units, in every task: wider by `scale`, or whatever
//   `teacher_options` make of it, trained jointly on all tasks (cached), or read from a file.
// Sources: Li & Hoiem 2016, arXiv:1606.09282; Hinton et al. 2015, arXiv:1503.02531; the weighting:
// van de Ven et al. 2022, Nature MI 4:1185.
#include <sstream>

#include "core/compared_units.h"
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
    std::string loss = "cross_entropy";
    std::string weighting = "contexts";
    std::string units = "past";
    std::string logits = "auto";
    double scale = 2;
    int64_t teacher_steps = 1000;
    std::string teacher_options;
    std::string teacher_file;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("teacher", teacher, one_of({"previous", "larger"}),
            "the model before the task, or another one");
      visit("alpha", alpha, at_least(0.0), "weight beside the task loss; 0 = finetune");
      visit("temperature", temperature, above(0.0), "divides both logits");
      visit("t_squared", t_squared, any(), "also multiply by temperature squared");
      visit(
          "loss", loss, one_of({"cross_entropy", "kl", "reverse_kl", "binary"}),
          "of the softened outputs; kl is less by the teacher's entropy, reverse_kl is KL(student "
          "|| teacher), binary takes each unit's sigmoid by itself");
      visit("weighting", weighting, one_of({"contexts", "constant"}),
            "previous: contexts = times the number of past tasks (not class-incremental)");
      visit(
          "units", units, one_of({"past", "all"}),
          "previous, class-incremental: the student's outputs over past units, or over all, where "
          "the teacher gives the others 0 as in van de Ven et al.'s code");
      visit("logits", logits, one_of({"auto", "forward", "recorded"}),
            "teacher's forward pass in every step, or its logits recorded once a task by row; auto "
            "= recorded for classifiers, forward for text");
      visit("scale", scale, above(0.0), "larger: its width over the model's");
      visit("teacher_steps", teacher_steps, at_least(1), "larger: updates on all tasks together");
      visit("teacher_options", teacher_options, any(),
            "larger: options of its model in place of the student's: layers=4,family=llama");
      visit("teacher_file", teacher_file, any(),
            "larger: a safetensors file with its weights, which are not trained");
    }
  };
  explicit Distill(const Options& options) : options_(options) {
    if (options.loss == "reverse_kl" && options.units == "all") {
      fail(
          "distill: units = all gives the teacher 0 at new units, where loss = reverse_kl is "
          "infinite; set units = past, or another loss");
    }
  }

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
      larger_ = setup.open_teacher(
          {options_.scale, options_.teacher_steps, teacher_options(), options_.teacher_file});
      larger_->train(false);
    }
  }

  void before_task(const TaskBegin& begin) override {
    if (options_.alpha == 0 || (!larger_ && begin.task == 1)) return;
    compared_ = compared_in(begin);
    const at::NoGradGuard no_grad;
    if (before_) before_.tensor().copy_(begin.arena.values());
    if (!recorded_) return;
    Model& teacher = larger_ ? *larger_ : begin.model;
    const Evaluating evaluating(teacher);
    recordings_.record(
        begin.plan, kRecordRows, begin.arena.values().device(),
        [&](const Batch& batch) { return targets_of(teacher.forward(batch), batch); });
  }

  bool reads_logits() const override { return true; }
  Tensor extra_loss(const Step& step) override {
    if (options_.alpha == 0 || (!larger_ && step.task == 1)) return {};
    const Tensor student = larger_ ? masked_logits(step.logits, step.batch) : step.logits;
    return compared_.loss(targets_in(step), student, softening());
  }

 private:
  static constexpr int64_t kRecordRows = 1024;

  Softening softening() const { return {options_.loss, options_.temperature}; }

  Tensor targets_of(const Tensor& taught, const Batch& batch) const {
    return compared_.targets(larger_ ? masked_logits(taught, batch) : taught, softening());
  }

  Tensor targets_in(const Step& step) const {
    const at::NoGradGuard no_grad;
    if (recorded_) return recordings_.of(step.batch);
    return targets_of(larger_ ? larger_->forward(step.batch) : step.under(before_, step.batch),
                      step.batch);
  }

  /// "layers=4,family=llama" as options.
  OptionMap teacher_options() const {
    OptionMap options;
    std::stringstream words(options_.teacher_options);
    for (std::string word; std::getline(words, word, ',');) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos || equals == 0) {
        fail(
            "distill: teacher_options = '{}' has the part '{}'; expected option=value, with commas "
            "between them, such as layers=4,width=128",
            options_.teacher_options, word);
      }
      options[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return options;
  }

  /// By scenario: which units are compared, and the factor.
  ComparedUnits compared_in(const TaskBegin& begin) const {
    const TaskStream& stream = begin.stream;
    const auto past = begin.task - 1;
    const bool contexts = !larger_ && options_.weighting == "contexts" &&
                          stream.scenario != Scenario::class_incremental;
    const double squared = options_.t_squared ? options_.temperature * options_.temperature : 1;
    const double factor = options_.alpha * squared * (contexts ? static_cast<double>(past) : 1);
    if (larger_ || stream.classes == 0 || stream.scenario == Scenario::domain_incremental) {
      return ComparedUnits::whole(factor);
    }
    const at::Device device = begin.arena.values().device();
    if (stream.scenario != Scenario::class_incremental) {
      return ComparedUnits::by_task(stream, past, factor, device);
    }
    std::vector<int64_t> seen;
    for (size_t t = 0; t < static_cast<size_t>(past); ++t) {
      const auto& classes = stream.tasks[t].classes;
      seen.insert(seen.end(), classes.begin(), classes.end());
    }
    return ComparedUnits::together(seen, options_.units == "all", factor, device);
  }

  Options options_;
  bool recorded_ = false;
  Twin before_;                // the model before the task, where it answers in every step
  RecordedLogits recordings_;  // the soft targets that it gives, where they are recorded
  std::shared_ptr<Model> larger_;
  ComparedUnits compared_;  // in this task
};

}  // namespace

void add_distill(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "distill";
  entry.role = Role::distillation;
  entry.summary =
      "Learning without forgetting, or classic distillation from a larger joint teacher.";
  entry.source = "Li & Hoiem 2016, arXiv:1606.09282; Hinton et al. 2015, arXiv:1503.02531";
  entry.verified =
      "every loss by hand (tests/distillation_loss_test.cc); losses, gradients and steps of the "
      "code "
      "of van de Ven et al. 2022, softmax and binary (tests/cl_methods_shared_test.cc)";
  entry.neutral.options = {{"alpha", "0"}};
  entry.conditions = {
      {"weighting", "teacher", {"previous"}},  {"units", "teacher", {"previous"}},
      {"scale", "teacher", {"larger"}},        {"teacher_steps", "teacher", {"larger"}},
      {"teacher_steps", "teacher_file", {""}}, {"teacher_options", "teacher", {"larger"}},
      {"teacher_file", "teacher", {"larger"}}};
  entry.readings = {
      {"alpha",
       "Added to the whole task loss, as in Li & Hoiem and van de Ven's code. EasyCL takes 1 - a "
       "of the task loss and a T^2 of a KL: loss = kl, t_squared, alpha = a / (1 - a) and 1 - a "
       "times the learning rate are the same under SGD."},
      {"t_squared",
       "Hinton et al. multiply by T^2, so that the gradient keeps its size when T changes; "
       "the codes of van de Ven et al. and Avalanche do not. Off by default, as in the "
       "protocol that is reproduced; at one T it is a factor of alpha."},
      {"loss",
       "Cross-entropy of the softened outputs, as Li & Hoiem and van de Ven write it; `kl` "
       "(Avalanche) has the same gradient and a smaller value. TRACE's code takes the "
       "divergence the other way round: `reverse_kl`. iCaRL (arXiv:1611.07725) compares "
       "sigmoids unit by unit: `binary`."},
      {"units",
       "Class-incremental: `past`, the default, compares a softmax over the units that the "
       "teacher had learned, as the papers do. The code of van de Ven et al. softens the "
       "student over all units and gives the teacher 0 at the new ones: `all`, which is "
       "needed for their numbers."},
      {"weighting",
       "van de Ven et al. add each past context's loss with full weight in task- and "
       "domain-incremental streams: `contexts`, the default. `constant` averages them."},
      {"logits",
       "The teacher does not change within a task, so its outputs can be recorded once by "
       "row (Mammoth does so) and must be found by row, not by step: TRACE reads them by "
       "step while the rows are shuffled. Rounding aside both settings are equal."},
      {"teacher",
       "It answers in evaluation mode and without a graph; TRACE leaves dropout on in it."}};
  registry.add<Distill>(std::move(entry));
}

}  // namespace lethe
