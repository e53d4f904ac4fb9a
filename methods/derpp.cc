// Dark experience replay: the logits that rows had when they were trained on are kept and matched.
//   extra = alpha MSE(z(x'), z') + beta CE(z(x''), y''),  two independent draws from one reservoir
// MSE = the mean over predicted positions (rows, where a row has one) and units (in
// task-incremental streams over the units of the row's task). Every trained row is offered to the
// reservoir, with the logits of that forward pass, as often as it is trained on; rows of the
// present task are replayed too. "DER++" in the paper: a method's name cannot hold a '+', which
// joins methods. DER is beta = 0, the alias `der`. Source: Buzzega et al. 2020, arXiv:2004.07211,
// eq. 6 and algorithm 2.
#include <map>
#include <numeric>

#include "core/error.h"
#include "core/loss.h"
#include "core/recorded_logits.h"
#include "core/replay_buffer.h"
#include "methods/methods.h"

namespace lethe {
namespace {

/// Logits of kept rows by slot, (P, C) each: P = the row's predicted positions.
class KeptLogits {
 public:
  void put(int64_t slot, const Tensor& logits) {
    const MemoryTag tag(Category::method_state);
    const auto place = static_cast<size_t>(slot);
    if (place >= rows_.size()) rows_.resize(place + 1);
    rows_[place] = logits.clone();
  }
  Tensor of(const std::vector<int64_t>& slots) const {
    std::vector<Tensor> found;
    for (const int64_t slot : slots) found.push_back(rows_[static_cast<size_t>(slot)]);
    return at::cat(found);
  }
  void move_to(const at::Device& device) {
    const MemoryTag tag(Category::method_state);
    for (Tensor& row : rows_) row = row.to(device);
  }
  void state(Archive& archive) {
    std::vector<int64_t> counts;
    for (const Tensor& row : rows_) counts.push_back(row.size(0));
    Tensor all = rows_.empty() ? at::empty({0, 0}) : at::cat(rows_);
    archive("positions", counts);
    archive("logits", all);
    if (!archive.reading()) return;
    rows_.clear();
    int64_t first = 0;
    for (const int64_t own : counts) {
      put(static_cast<int64_t>(rows_.size()), all.narrow(0, first, own));
      first += own;
    }
  }

 private:
  std::vector<Tensor> rows_;
};

class Derpp : public Strategy {
 public:
  struct Options {
    int64_t budget = 200;
    double alpha = 0.3;
    double beta = 0.5;
    int64_t batch = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("budget", budget, at_least(0),
            "rows kept in all, booked as ids of 16 bytes and their logits (text: a vocabulary's of "
            "every predicted position); 0 = finetune");
      visit("alpha", alpha, at_least(0.0), "weight of the kept logits");
      visit("beta", beta, at_least(0.0), "weight of the kept rows' labels; 0 = DER");
      visit("batch", batch, at_least(0), "rows of each draw; 0 = as many as current ones");
    }
  };
  explicit Derpp(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    if (options_.budget == 0) return;
    check_buffer("derpp", {options_.budget, "total", "reservoir"}, setup.stream);
  }

  void adapt(Setup& setup, int64_t) override { seed_ = setup.generator.current_seed(); }

  void before_task(const TaskBegin& begin) override {
    buffer_.open(begin.stream, begin.task, seed_);
    offers_ = Random(seed_, 3);
    batch_ = options_.batch > 0 ? options_.batch : begin.batch_size;
    device_ = begin.arena.values().device();
    kept_.move_to(device_);
  }

  bool reads_logits() const override { return true; }
  Tensor extra_loss(const Step& step) override {
    if (options_.budget == 0 || (options_.alpha == 0 && options_.beta == 0)) return {};
    Tensor extra;
    if (!buffer_.empty() && options_.alpha > 0) extra = logits_kept(step) * options_.alpha;
    if (!buffer_.empty() && options_.beta > 0) {
      const Batch past = buffer_.draw(batch_).batch.to(step.batch.inputs.device());
      const Tensor labels = task_loss(step.forward(past), past) * options_.beta;
      extra = extra.defined() ? extra + labels : labels;
    }
    offer(step);
    return extra;
  }

  void state(Archive& archive) override {
    const MemoryTag tag(Category::method_state);
    buffer_.state(archive);
    archive("offers", offers_);
    kept_.state(archive);
    if (archive.reading()) kept_.move_to(device_);
  }

 private:
  Tensor logits_kept(const Step& step) {
    const ReplayBuffer::Drawn drawn = buffer_.draw(batch_);
    const Batch past = drawn.batch.to(step.batch.inputs.device());
    const Tensor squares = (step.forward(past) - kept_.of(drawn.slots)).square();
    if (!past.active.defined()) return squares.mean();
    return (squares * past.active).sum() / past.active.sum();
  }

  void offer(const Step& step) {
    const at::NoGradGuard no_grad;
    const Tensor ids = step.batch.row_ids.cpu();
    std::map<int64_t, int64_t> row_of;  // by slot: the last row that took it
    for (int64_t row = 0; row < ids.numel(); ++row) {
      const auto slot = buffer_.offer(ids.data_ptr<int64_t>()[row], options_.budget, offers_);
      if (slot) row_of[*slot] = row;
    }
    if (row_of.empty()) return;
    std::vector<int64_t> ends = positions_by_row(step.batch);
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    for (const auto& [slot, row] : row_of) {
      const auto place = static_cast<size_t>(row);
      const int64_t first = place == 0 ? 0 : ends[place - 1];
      kept_.put(slot, step.logits.narrow(0, first, ends[place] - first));
    }
  }

  Options options_;
  ReplayBuffer buffer_;
  at::Device device_{at::kCPU};
  KeptLogits kept_;
  Random offers_{0};
  uint64_t seed_ = 0;
  int64_t batch_ = 0;
};

}  // namespace

void add_derpp(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "derpp";
  entry.role = Role::data;
  entry.summary = "Dark experience replay++ (DER++): kept rows are replayed with kept logits.";
  entry.source = "Buzzega et al. 2020, arXiv:2004.07211";
  entry.verified = "both terms by hand";
  entry.neutral.options = {{"budget", "0"}};
  entry.readings = {
      {"alpha, beta",
       "Two independent draws, one for logits and one for labels, as algorithm 2 has it and "
       "the authors' code does. MSE is a mean over rows and units, as that code's; of text over "
       "predicted positions and the vocabulary."},
      {"budget",
       "One reservoir over all rows that are trained on, those of the present task too, as "
       "in the paper."}};
  registry.add<Derpp>(std::move(entry));
}

}  // namespace lethe
