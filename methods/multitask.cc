// Multi-task training: the rows of several tasks as one union, every row as likely as any other.
//   tasks = seen: at stage t the tasks 1..t (cumulative training; R has every row)
//   tasks = all : every task at every stage, the upper bound often called joint
// Every stage takes the update count of one task, so T tasks take T times it in both.
// Source: Caruana 1997; the joint baseline of van de Ven et al. 2022, Nature MI 4:1185.
#include "methods/methods.h"

namespace lethe {
namespace {

class Multitask : public Strategy {
 public:
  struct Options {
    std::string tasks = "seen";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("tasks", tasks, one_of({"seen", "all"}),
            "the union up to the present task, or of all tasks");
    }
  };
  explicit Multitask(const Options& options) : options_(options) {}

  void training_plan(const TaskStream& stream, int64_t task, TrainingPlan& plan) override {
    const size_t last = options_.tasks == "all" ? stream.tasks.size() : static_cast<size_t>(task);
    plan.parts.clear();
    for (size_t t = 0; t < last; ++t) plan.parts.push_back({stream.tasks[t].train});
  }

 private:
  Options options_;
};

}  // namespace

void add_multitask(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "multitask";
  entry.role = Role::data;
  entry.summary = "Trains on the union of tasks: the upper bound, not a continual method.";
  entry.source = "Caruana 1997, Machine Learning 28:41";
  entry.verified =
      "joint training on split MNIST, van de Ven et al. 2022; finetune on a single task";
  entry.neutral.exists = false;
  registry.add<Multitask>(std::move(entry));
}

}  // namespace lethe
