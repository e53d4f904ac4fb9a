// Multi-task training: the rows of several tasks as one union.
//   tasks = seen: at stage t the tasks 1..t (cumulative training; R has every row)
//   tasks = all : every task at every stage, the upper bound often called joint
//   mixing = rows   : every row as likely as any other
//   mixing = tasks  : every task has the same part of the batches
//   mixing = "2,1,1": parts of the tasks in the order of the stream, of those in the union
// The update count is the trainer's: with train.steps every stage takes as many steps as one task,
// so that T tasks take T times it in both; with train.epochs every stage passes so often over its
// union. Source: Caruana 1997; the joint baseline of van de Ven et al. 2022, Nature MI 4:1185.
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <sstream>

#include "core/error.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Multitask : public Strategy {
 public:
  struct Options {
    std::string tasks = "seen";
    std::string mixing = "rows";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("tasks", tasks, one_of({"seen", "all"}),
            "the union up to the present task, or of all tasks; train.steps counts for each stage");
      visit("mixing", mixing, any(),
            "rows (each as likely), tasks (each the same part of a batch), or parts: 2,1,1");
    }
  };
  explicit Multitask(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override { parts_ = parts(setup.stream); }

  void training_plan(const TaskStream& stream, int64_t task, TrainingPlan& plan) override {
    const size_t last = options_.tasks == "all" ? stream.tasks.size() : static_cast<size_t>(task);
    plan.parts.clear();
    for (size_t t = 0; t < last; ++t) {
      if (parts_.empty() || parts_[t] > 0) {
        plan.parts.push_back({stream.tasks[t].train, parts_.empty() ? 0 : parts_[t]});
      }
    }
  }

 private:
  /// One number a task; empty where every row is as likely as any other.
  std::vector<double> parts(const TaskStream& stream) const {
    if (options_.mixing == "rows") return {};
    if (options_.mixing == "tasks") return std::vector<double>(stream.tasks.size(), 1);
    std::vector<double> given;
    std::stringstream words(options_.mixing);
    for (std::string word; std::getline(words, word, ',');) given.push_back(number(word));
    if (given.size() != stream.tasks.size()) {
      fail("multitask: mixing = '{}' has {} parts, but stream '{}' has {} tasks; give one a task",
           options_.mixing, given.size(), stream.name, stream.tasks.size());
    }
    if (std::accumulate(given.begin(), given.end(), 0.0) == 0) {
      fail("multitask: mixing = '{}' leaves nothing to train; give a task a part above 0",
           options_.mixing);
    }
    if (given[0] == 0 && options_.tasks == "seen") {
      fail(
          "multitask: mixing = '{}' leaves nothing to train in task 1; give it a part above 0, or "
          "set tasks = all",
          options_.mixing);
    }
    return given;
  }

  double number(const std::string& word) const {
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    if (end == word.c_str() || *end != '\0' || !std::isfinite(value) || value < 0) {
      fail(
          "multitask: mixing = '{}' has the part '{}'; expected rows, tasks, or numbers from 0 on "
          "with commas between them, such as 2,1,1",
          options_.mixing, word);
    }
    return value;
  }

  Options options_;
  std::vector<double> parts_;
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
  entry.readings = {
      {"tasks",
       "`seen` retrains on the union at every stage (Avalanche calls it cumulative), so that "
       "R has every row; `all` is the joint training of van de Ven et al. and an upper bound "
       "that saw the future."},
      {"mixing",
       "`rows`, the union as one data set, as in both codes. Whether updates or epochs are "
       "equal to those of other methods is `train.steps` or `train.epochs`, which a report's "
       "line Training has."}};
  registry.add<Multitask>(std::move(entry));
}

}  // namespace lethe
