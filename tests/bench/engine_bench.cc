// What a method, an importance and an evaluation cost on the Split MNIST perceptron, each against
// its yardstick in the same run, in turns, on one thread. Images are random, one pixel in five
// bright, as MNIST has it; or every pixel, where the first layer's products have their full cost.
//   engine_bench steps [ROUNDS] [STEPS] [dense] [METHOD...]
//                                         training seconds of each method over finetune's, and what
//                                         a copy of the bytes that its update moves more would make
//   engine_bench fisher [ROUNDS]          exact Fisher: one row and class at a time over vectorised
//   engine_bench fisher_seconds [ROUNDS]  seconds of the vectorised one, for bench_fisher.py
//   engine_bench evaluation [ROUNDS]      the GEMMs of the forward passes over evaluate()
// Prints Markdown: median (minimum to maximum) of the rounds' ratios.
#include "core/torch.h"
// After libtorch.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/fisher.h"
#include "core/image_rows.h"
#include "core/memory.h"
#include "core/models/models.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/train.h"
#include "methods/methods.h"

namespace {

using namespace lethe;

constexpr int64_t kTasks = 5, kClasses = 10, kTrain = 1280, kTest = 2000, kSide = 28;

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string spread(std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", ratios[ratios.size() / 2], ratios.front(),
                     ratios.back());
}

TaskStream stream_of(Scenario scenario, bool dense = false) {
  Random random(1);
  const int64_t rows = kTrain + kTest;
  std::vector<uint8_t> pixels, labels;
  for (int64_t i = 0; i < kTasks * rows; ++i)
    labels.push_back(static_cast<uint8_t>(2 * (i / rows) + i % 2));
  pixels.resize(labels.size() * kSide * kSide);
  for (uint8_t& pixel : pixels)
    pixel = static_cast<uint8_t>(dense || random.below(5) == 0 ? 1 + random.below(255) : 0);
  const auto images =
      std::make_shared<ImageSet>(kSide, kSide, std::move(pixels), std::move(labels));
  TaskStream stream;
  stream.name = "bench";
  stream.scenario = scenario;
  stream.classes = kClasses;
  stream.features = kSide * kSide;
  for (int64_t t = 0; t < kTasks; ++t) {
    Task task;
    task.name = fmt::format("task {}", t + 1);
    task.metric = {"accuracy", "fraction", true};
    task.classes = {2 * t, 2 * t + 1};
    ImageView view;
    for (int64_t c = 0; c < kClasses; ++c) view.class_of.push_back(c);
    view.classes = kClasses;
    if (scenario == Scenario::task_incremental) view.active = task.classes;
    std::vector<int64_t> train, test;
    for (int64_t i = 0; i < rows; ++i) (i < kTrain ? train : test).push_back(t * rows + i);
    task.train = std::make_shared<ImageRows>(2 * t * rows, images, view, train);
    task.validation = task.test =
        std::make_shared<ImageRows>((2 * t + 1) * rows, images, view, test);
    stream.tasks.push_back(std::move(task));
  }
  return stream;
}

std::unique_ptr<Model> perceptron() {
  ModelShape shape;
  shape.features = kSide * kSide;
  shape.classes = kClasses;
  return model_entry("mlp").make({}, shape, make_generator(seed_for(1, "init")));
}

/// Seconds of training, importances and evaluation left out.
double training_seconds(TaskStream& stream, const std::string& name, const OptionMap& given,
                        int64_t steps) {
  const StrategyRegistry registry = builtin_methods();
  Method method = make_method(registry, parse_method(registry, name, given).parts);
  const auto model = perceptron();
  TrainOptions options;
  options.optimizer = "adam";
  options.batch = 128;
  options.steps = steps;
  options.reset_optimizer = false;
  options.eval_batch = 1000;
  const TrialResult result = train({*model, stream, method, options});
  for (const Timing& timing : result.timing) {
    if (timing.phase == "train") return timing.wall;
  }
  fail("the trial has no training phase");
}

/// Arrays of the parameters' size that Adam's update reads or writes: values, gradients, moments.
constexpr double kAdamPasses = 8;

struct Case {
  const char* name;
  OptionMap options;
  double more = 0;  // such passes that its update adds, the mean over tasks; 0 = not told
};

std::vector<Case> step_cases() {
  // An importance and an anchor from the second task on; SI's path is read and written in all.
  constexpr double kTerm = 2.0 * (kTasks - 1) / kTasks;
  return {{"ewc", {{"lambda", "100"}, {"rows", "200"}}, kTerm},
          {"si", {}, kTerm + 2},
          {"mas", {{"rows", "200"}}, kTerm},
          {"l2", {}, kTerm},
          {"rwalk", {}},
          {"distill", {{"logits", "recorded"}}},
          {"a-gem", {}},
          {"replay", {}},
          {"derpp", {}},
          {"gem", {}}};
}

/// Seconds of moving `more` passes among all that the update then makes, by copies of as many
/// bytes.
double copy_seconds(double more) {
  const auto values = static_cast<size_t>(perceptron()->count(false));
  const auto half = static_cast<size_t>((kAdamPasses + more) / 2 * static_cast<double>(values));
  std::vector<float> from(half, 1), to(half);
  const auto copy = [&] {
    std::memcpy(to.data(), from.data(), half * sizeof(float));
    std::memcpy(from.data(), to.data(), sizeof(float));  // so that no copy is left out
  };
  copy();
  constexpr int kTimes = 20;
  const double all = seconds([&] {
                       for (int i = 0; i < kTimes; ++i) copy();
                     }) /
                     kTimes;
  return all * more / (kAdamPasses + more);
}

/// The cases that `wanted` names, or all where it names none.
void time_steps(int64_t rounds, int64_t steps, bool dense, const std::vector<std::string>& wanted) {
  std::vector<Case> cases = step_cases();
  std::erase_if(cases, [&](const Case& one) {
    return !wanted.empty() && std::find(wanted.begin(), wanted.end(), one.name) == wanted.end();
  });
  TaskStream stream = stream_of(Scenario::task_incremental, dense);
  training_seconds(stream, "finetune", {}, steps);
  std::vector<std::vector<double>> ratios(cases.size()), copies(cases.size());
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      const double before = training_seconds(stream, "finetune", {}, steps);
      const double mine = training_seconds(stream, cases[i].name, cases[i].options, steps);
      const double after = training_seconds(stream, "finetune", {}, steps);
      const double plain = (before + after) / 2;
      ratios[i].push_back(mine / plain);
      const double step = plain / static_cast<double>(kTasks * steps);
      copies[i].push_back(1 + copy_seconds(cases[i].more) / step);
    }
  }
  fmt::print(
      "| method | training seconds over finetune's, {} tasks of {} steps | with a copy of the "
      "bytes "
      "that it moves more |\n|---|---|---|\n",
      kTasks, steps);
  for (size_t i = 0; i < cases.size(); ++i) {
    fmt::print("| `{}` | {} | {} |\n", cases[i].name, spread(ratios[i]),
               cases[i].more > 0 ? spread(copies[i]) : "-");
  }
}

/// The exact Fisher of 64 rows and 10 classes.
class FisherCase {
 public:
  FisherCase() {
    arena_.lay_out(*model_);
    vectorised();
  }
  double vectorised() {
    return seconds([&] { fisher_diagonal(end_, options_); });
  }
  double by_rows() {
    return seconds([&] { fisher_by_rows(end_, options_); });
  }

 private:
  const TaskStream stream_ = stream_of(Scenario::class_incremental);
  const decltype(perceptron()) model_ = perceptron();
  Arena arena_;
  const TaskEnd end_{1, stream_, *stream_.tasks[0].train, *model_, arena_, make_generator(1), 1000};
  const FisherOptions options_{"exact", 64, "n"};
};

void time_fisher(int64_t rounds) {
  FisherCase fisher;
  std::vector<double> ratios;
  for (int64_t round = 0; round < rounds; ++round) {
    const double slow = fisher.by_rows();
    constexpr int kTimes = 10;
    double fast = 0;
    for (int i = 0; i < kTimes; ++i) fast += fisher.vectorised() / kTimes;
    ratios.push_back(slow / fast);
  }
  fmt::print("exact Fisher, 64 rows, 10 classes: a loop over rows and classes / vectorised: {}\n",
             spread(ratios));
}

void print_fisher_seconds(int64_t rounds) {
  FisherCase fisher;
  std::vector<double> times;
  for (int64_t round = 0; round < rounds; ++round) times.push_back(fisher.vectorised());
  std::sort(times.begin(), times.end());
  fmt::print("{:.9f}\n", times[times.size() / 2]);
}

void time_evaluation(int64_t rounds) {
  const TaskStream stream = stream_of(Scenario::class_incremental);
  const auto model = perceptron();
  TrainOptions options;
  options.eval_batch = 1000;
  const at::NoGradGuard no_grad;
  std::vector<Tensor> in, weights, out;
  for (Linear* layer : model->linears()) {
    in.push_back(at::randn({options.eval_batch, layer->in_features()}));
    weights.push_back(at::randn({layer->out_features(), layer->in_features()}));
    out.push_back(at::empty({options.eval_batch, layer->out_features()}));
  }
  const int64_t batches = kTasks * kTest / options.eval_batch;
  const auto products = [&] {
    for (int64_t batch = 0; batch < batches; ++batch) {
      for (size_t i = 0; i < in.size(); ++i) at::mm_out(out[i], in[i], weights[i].t());
    }
  };
  const auto evaluation = [&] { evaluate(*model, stream, 0, 0, options); };
  products();
  evaluation();
  std::vector<double> ratios;
  for (int64_t round = 0; round < rounds; ++round) {
    const double before = seconds(products), whole = seconds(evaluation), after = seconds(products);
    ratios.push_back((before + after) / 2 / whole);
  }
  fmt::print("evaluation of {} rows: its GEMMs / evaluate(): {}\n", kTasks * kTest, spread(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "steps";
  const int64_t rounds = std::max<int64_t>(1, argc > 2 ? std::atoll(argv[2]) : 7);
  install_memory_meter();
  at::set_num_threads(1);
  if (what == "fisher_seconds") {
    print_fisher_seconds(rounds);
    return 0;
  }
  if (what == "fisher") {
    time_fisher(rounds);
  } else if (what == "evaluation") {
    time_evaluation(rounds);
  } else {
    std::vector<std::string> wanted(argv + std::min(argc, 4), argv + argc);
    const bool dense = std::erase(wanted, "dense") > 0;
    time_steps(rounds, argc > 3 ? std::atoll(argv[3]) : 100, dense, wanted);
  }
  fmt::print("\n{}, one thread, {} rounds\n", at::get_cpu_capability(), rounds);
  return 0;
}
