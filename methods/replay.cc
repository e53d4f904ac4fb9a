// Experience replay: rows of past tasks are trained on beside the present task's.
//   loss = (1 - s) L_current + s L_replay, each a mean over its own batch, t = the present task
//   weights = task_share  : s = 1 - 1/t (van de Ven et al.), so that every task counts alike
//   weights = equal       : s = 1/2
//   weights = concatenated: s = the replayed part of all rows, one loss over both batches (Mammoth)
// A replayed row keeps its own task's active classes. Which rows are kept: core/replay_buffer.h.
//   fill = task_end: rows are chosen from the whole task after it; only past tasks are replayed
//   fill = steps   : every trained row is offered to the reservoir as often as it is trained on,
//   and the present task's rows are replayed too (Mammoth)
// Sources: Chaudhry et al. 2019, arXiv:1902.10486; van de Ven et al. 2022, Nature MI 4:1185.
#include "core/error.h"
#include "core/loss.h"
#include "core/replay_buffer.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Replay : public Strategy {
 public:
  struct Options {
    BufferOptions buffer;
    std::string fill = "task_end";
    std::string weights = "task_share";
    int64_t batch = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      buffer.fields(visit);
      visit("fill", fill, one_of({"task_end", "steps"}),
            "choose after each task, or offer every trained row (needs reservoir)");
      visit("weights", weights, one_of({"task_share", "equal", "concatenated"}),
            "1/t current and the rest replay, halves, or one mean over both batches");
      visit("batch", batch, at_least(0), "replayed rows a step; 0 = as many as current ones");
    }
  };
  explicit Replay(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    check_buffer("replay", options_.buffer, setup.stream);
    if (options_.fill == "steps" && options_.buffer.selection != "reservoir") {
      fail(
          "replay: fill = steps offers rows one by one, and selection = {} chooses from a whole "
          "task; set selection = reservoir, or fill = task_end",
          options_.buffer.selection);
    }
  }

  void adapt(Setup& setup, int64_t) override { seed_ = setup.generator.current_seed(); }

  void before_task(const TaskBegin& begin) override {
    buffer_.open(begin.stream, begin.task, seed_);
    offers_ = Random(seed_, 3);
    batch_ = options_.batch > 0 ? options_.batch : begin.batch_size;
  }

  bool reads_logits() const override { return true; }
  Tensor extra_loss(const Step& step) override {
    if (options_.buffer.budget == 0) return {};
    const Tensor extra = buffer_.empty() ? Tensor() : replayed(step);
    if (options_.fill == "steps") offer(step.batch);
    return extra;
  }

  void after_task(const TaskEnd& end) override {
    if (options_.fill == "steps") return;
    buffer_.keep(options_.buffer, end.stream, end.task, end.generator.current_seed());
  }

  void state(Archive& archive) override {
    buffer_.state(archive);
    archive("offers", offers_);
  }

 private:
  /// What turns the task loss, already counted in full, into the weighted sum.
  Tensor replayed(const Step& step) {
    const auto tasks = static_cast<double>(step.task);
    if (options_.weights == "task_share" && step.task == 1) return {};
    const Batch past = buffer_.draw(batch_).batch.to(step.batch.inputs.device());
    const double replay = positions(past);
    const double share = options_.weights == "task_share" ? 1 - 1 / tasks
                         : options_.weights == "equal"    ? 0.5
                                                       : replay / (replay + positions(step.batch));
    return (task_loss(step.forward(past), past) - task_loss(step.logits, step.batch)) * share;
  }

  /// The divisor of the batch's mean loss.
  static double positions(const Batch& batch) {
    if (!batch.weights.defined()) return static_cast<double>(batch.targets.numel());
    return position_weights(batch).sum().item<double>();
  }

  void offer(const Batch& batch) {
    const Tensor ids = batch.row_ids.cpu();
    for (int64_t row = 0; row < ids.numel(); ++row) {
      buffer_.offer(ids.data_ptr<int64_t>()[row], options_.buffer.budget, offers_);
    }
  }

  Options options_;
  ReplayBuffer buffer_;
  Random offers_{0};
  uint64_t seed_ = 0;
  int64_t batch_ = 0;
};

}  // namespace

void add_replay(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "replay";
  entry.role = Role::data;
  entry.summary = "Experience replay: past rows from a small memory beside the present task's.";
  entry.source = "Chaudhry et al. 2019, arXiv:1902.10486; van de Ven et al. 2022, Nature MI 4:1185";
  entry.verified = "one step of the code of van de Ven et al.; weights by hand";
  entry.neutral.options = {{"budget", "0"}};
  entry.readings = {
      {"weights",
       "van de Ven et al. weight the present task by 1/t: `task_share`, the default. Mammoth "
       "takes one mean over a joined batch (`concatenated`); `equal` is the sum of halves."},
      {"per, selection, budget",
       "van de Ven et al. keep a number of rows a class, drawn at random: the default. "
       "Mammoth and the A-GEM paper keep a reservoir of one total size: `selection = "
       "reservoir`, `per = total`."},
      {"fill",
       "After each task, from all of its rows, as van de Ven's code; `steps` offers rows as "
       "they are trained on (Mammoth), which needs no second look at the data."}};
  registry.add<Replay>(std::move(entry));
}

}  // namespace lethe
