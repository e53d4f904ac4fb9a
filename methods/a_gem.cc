// Averaged gradient episodic memory: no step may, to first order, raise the mean loss on a memory.
//   g~ = g                            where g.r >= 0
//   g~ = g - (g.r) / (r.r + epsilon) r  elsewhere
// g = the gradient of task loss and extra losses, r = that of the task loss on one batch from the
// memory of past tasks, both over all parameters at once. Quadratic penalties of other strategies
// are added after the projection. Source: Chaudhry et al. 2019, arXiv:1812.00420, eq. 11; epsilon
// is 0 there and 1e-7 in the code of van de Ven et al. 2022.
#include "core/flat_dot.h"
#include "core/replay_buffer.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class AGem : public Strategy {
 public:
  struct Options {
    BufferOptions buffer;
    int64_t batch = 0;
    double epsilon = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      buffer.fields(visit);
      visit("batch", batch, at_least(0), "rows of the memory batch; 0 = as many as current ones");
      visit("epsilon", epsilon, at_least(0.0), "added to r.r");
    }
  };
  explicit AGem(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    check_buffer("a-gem", options_.buffer, setup.stream);
    if (options_.buffer.budget > 0) reference_ = setup.arena.twin("a-gem.reference");
  }

  void adapt(Setup& setup, int64_t) override { seed_ = setup.generator.current_seed(); }

  void before_task(const TaskBegin& begin) override {
    buffer_.open(begin.stream, begin.task, seed_);
    batch_ = options_.batch > 0 ? options_.batch : begin.batch_size;
  }

  bool reads_gradient() const override { return true; }
  void contribute(Update& update) override {
    if (buffer_.empty()) return;
    {
      const MemoryTag tag(Category::activations);
      update.gradient_of(buffer_.draw(batch_).batch, reference_);
    }
    const at::NoGradGuard no_grad;
    const Tensor reference = reference_.tensor();
    const double product = flat_dot(update.gradient(), reference);
    if (product >= 0) return;
    const double squared = flat_dot(reference, reference) + options_.epsilon;
    update.gradient().add_(reference, -product / squared);
  }

  void after_task(const TaskEnd& end) override {
    buffer_.keep(options_.buffer, end.stream, end.task, end.generator.current_seed());
  }

  void state(Archive& archive) override { buffer_.state(archive); }

 private:
  Options options_;
  ReplayBuffer buffer_;
  Twin reference_;
  uint64_t seed_ = 0;
  int64_t batch_ = 0;
};

}  // namespace

void add_a_gem(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "a-gem";
  entry.role = Role::data;
  entry.summary = "Projects a gradient that would raise the loss on a memory of past tasks.";
  entry.source = "Chaudhry et al. 2019, arXiv:1812.00420";
  entry.verified = "projection by hand; one step of the code of van de Ven et al.";
  entry.neutral.options = {{"budget", "0"}};
  entry.readings = {
      {"epsilon",
       "The projection divides by r.r; van de Ven's code adds 1e-7. 0 by default: exact, and "
       "r.r = 0 has no negative product."},
      {"batch",
       "One batch of the memory a step, as large as the present one, as in van de Ven's "
       "code. The projection is over all parameters at once: Avalanche once projected each "
       "tensor by itself."},
      {"budget, per, selection",
       "As for `replay`. Mammoth keeps a single minibatch of each task, and the authors' "
       "script a small number of rows: accuracies of A-GEM depend on it more than on "
       "anything else."}};
  registry.add<AGem>(std::move(entry));
}

}  // namespace lethe
