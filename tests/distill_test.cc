// Distillation's cross-entropies by hand, the units it compares and its weighting.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

/// One row x = (1), whose logits are the weights: (classes, 1).
struct Distilling {
  Distilling(Scenario scenario, const std::vector<float>& teacher,
             const std::vector<std::vector<int64_t>>& classes, const OptionMap& options)
      : model(at::tensor(teacher).view({-1, 1})) {
    stream.scenario = scenario;
    stream.classes = static_cast<int64_t>(teacher.size());
    for (const auto& units : classes) stream.tasks.push_back(vector_task("task", rows, units));
    arena.lay_out(model);
    strategy = builtin_methods().at("distill").make(options);
    Setup setup{model, arena, stream, make_generator(1), {}};
    strategy->prepare(setup);
  }

  /// The extra loss of task `task` for a student of these logits, which also are the values then.
  Tensor extra(int64_t task, const std::vector<float>& student) {
    TrainingPlan plan;
    plan.parts.push_back({rows});
    strategy->before_task({task, stream, plan, model, arena, 1});
    {
      const at::NoGradGuard no_grad;
      arena.values().narrow(0, 0, stream.classes).copy_(at::tensor(student));
    }
    const Batch batch = rows->batch({0});
    return strategy->extra_loss({task, 0, stream, batch, model.forward(batch), model, arena});
  }

  RowsPtr rows = std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1}},
                                              std::vector<int64_t>{0});
  OneLayer model;
  TaskStream stream;
  Arena arena;
  std::unique_ptr<Strategy> strategy;
};

/// One layer that notes in which mode, and whether with a graph, it is asked.
class Noting : public Model {
 public:
  Noting() : layer_("classifier", at::tensor({1.0F, 2.0F, -1.0F}).view({3, 1}), {}) {}
  Tensor forward(const Batch& batch) override {
    training_when_asked = training_when_asked || training();
    graph_when_asked = graph_when_asked || at::GradMode::is_enabled();
    ++asked;
    return layer_.forward(batch.inputs);
  }
  std::vector<Seam*> seams() override { return {&layer_}; }
  bool training_when_asked = false, graph_when_asked = false;
  int asked = 0;

 private:
  Linear layer_;
};

const std::vector<float> kTeacher = {1, 2, -1}, kStudent = {2, 1, 0};
const std::vector<std::vector<int64_t>> kOneThenOne = {{0, 1, 2}, {0, 1, 2}};

}  // namespace

TEST_CASE("the distillation loss has the golden cross-entropies") {
  const auto loss = [](const OptionMap& options) {
    Distilling case_of(Scenario::domain_incremental, kTeacher, kOneThenOne, options);
    return case_of.extra(2, kStudent).item<double>();
  };
  CHECK(loss({}) == Approx(1.07549602).epsilon(1e-6));
  CHECK(loss({{"temperature", "1"}}) == Approx(1.18322853).epsilon(1e-6));
  CHECK(loss({{"t_squared", "true"}}) == Approx(4 * 1.07549602).epsilon(1e-6));
  CHECK(loss({{"alpha", "0.5"}}) == Approx(0.5 * 1.07549602).epsilon(1e-6));
}

TEST_CASE("the loss of a student equal to its teacher is the teacher's entropy, without gradient") {
  Distilling same(Scenario::domain_incremental, kTeacher, kOneThenOne, {});
  const Tensor loss = same.extra(2, kTeacher);
  CHECK(loss.item<double>() == Approx(0.95280756).epsilon(1e-6));
  const Tensor weight = same.arena.ranges()[0].parameter;
  const Tensor gradient = torch::autograd::grad({loss}, {weight})[0];
  CHECK(gradient.abs().max().item<double>() < 1e-7);
}

TEST_CASE("the gradient reaches the student as (softmax difference) / T") {
  Distilling apart(Scenario::domain_incremental, kTeacher, kOneThenOne, {});
  const Tensor loss = apart.extra(2, kStudent);
  const Tensor gradient =
      torch::autograd::grad({loss}, {apart.arena.ranges()[0].parameter})[0].view({-1});
  const Tensor expected =
      ((at::tensor(kStudent) / 2).softmax(0) - (at::tensor(kTeacher) / 2).softmax(0)) / 2;
  CHECK((gradient - expected).abs().max().item<double>() < 1e-6);
}

TEST_CASE("nothing is distilled in the first task or with alpha 0") {
  Distilling first(Scenario::domain_incremental, kTeacher, kOneThenOne, {});
  CHECK_FALSE(first.extra(1, kStudent).defined());
  Distilling off(Scenario::domain_incremental, kTeacher, kOneThenOne, {{"alpha", "0"}});
  CHECK_FALSE(off.extra(2, kStudent).defined());
}

TEST_CASE("class-incremental distillation compares the units of past tasks only") {
  // Task 3's units (4, 5) differ wildly and must not matter; all past units are one softmax.
  const std::vector<std::vector<int64_t>> classes = {{0, 1}, {2}, {3, 4}};
  Distilling some(Scenario::class_incremental, {1, 2, -1, 50, -50}, classes, {});
  CHECK(some.extra(3, {2, 1, 0, -50, 50}).item<double>() == Approx(1.07549602).epsilon(1e-6));
}

TEST_CASE("with all units the student's softmax has the new ones too, where the teacher has none") {
  // Past units (1, 2, -1) of the teacher, student (2, 1, 0 | 4): logs over four units, T = 1.
  Distilling all(Scenario::class_incremental, {1, 2, -1, 7}, {{0, 1, 2}, {3}},
                 {{"units", "all"}, {"temperature", "1"}});
  const double teacher = std::exp(1.0) + std::exp(2.0) + std::exp(-1.0);
  const double student = std::log(std::exp(2.0) + std::exp(1.0) + std::exp(0.0) + std::exp(4.0));
  const double expected = (std::exp(1.0) * (student - 2) + std::exp(2.0) * (student - 1) +
                           std::exp(-1.0) * (student - 0)) /
                          teacher;
  CHECK(all.extra(2, {2, 1, 0, 4}).item<double>() == Approx(expected).epsilon(1e-6));
}

TEST_CASE("task-incremental distillation averages past heads, times their number by default") {
  const std::vector<std::vector<int64_t>> classes = {{0, 1, 2}, {3, 4, 5}, {6, 7}};
  const std::vector<float> teacher = {1, 2, -1, 1, 2, -1, 9, 0},
                           student = {2, 1, 0, 1, 2, -1, 0, 9};
  // The first head costs 1.07549602, the second the teacher's entropy.
  const double sum = 1.07549602 + 0.95280756;
  Distilling contexts(Scenario::task_incremental, teacher, classes, {});
  CHECK(contexts.extra(3, student).item<double>() == Approx(sum).epsilon(1e-6));
  Distilling constant(Scenario::task_incremental, teacher, classes, {{"weighting", "constant"}});
  CHECK(constant.extra(3, student).item<double>() == Approx(sum / 2).epsilon(1e-6));
}

TEST_CASE("task-incremental distillation sums past heads of different widths in any order") {
  const std::vector<std::vector<int64_t>> classes = {{2, 0}, {1, 5, 4}, {6, 3}, {7}};
  const std::vector<float> teacher = {1, 2, -1, 0.5F, 2, -1, 9, 0},
                           student = {2, 1, 0, 1, -2, -1, 3, 9};
  double sum = 0;  // over tasks 1 to 3, of the definition
  for (size_t t = 0; t < 3; ++t) {
    double taught = 0, learned = 0, crossed = 0;
    for (const auto c : classes[t]) taught += std::exp(teacher[static_cast<size_t>(c)] / 2);
    for (const auto c : classes[t]) learned += std::exp(student[static_cast<size_t>(c)] / 2);
    for (const auto c : classes[t]) {
      const auto unit = static_cast<size_t>(c);
      crossed -= std::exp(teacher[unit] / 2) / taught * (student[unit] / 2 - std::log(learned));
    }
    sum += crossed;
  }
  Distilling mixed(Scenario::task_incremental, teacher, classes, {});
  CHECK(mixed.extra(4, student).item<double>() == Approx(sum).epsilon(1e-6));
}

TEST_CASE("a teacher answers in evaluation mode and without a graph, in every step or recorded") {
  for (const std::string logits : {"forward", "recorded"}) {
    for (const std::string kind : {"previous", "larger"}) {
      CAPTURE(logits, kind);
      const auto teacher = std::make_shared<Noting>();
      teacher->train(true);
      Noting model;
      TaskStream stream;
      stream.classes = 3;
      const RowsPtr rows = std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1}},
                                                        std::vector<int64_t>{0});
      stream.tasks = {vector_task("a", rows, {0, 1, 2}), vector_task("b", rows, {0, 1, 2})};
      Arena arena;
      arena.lay_out(model);
      const auto strategy =
          builtin_methods().at("distill").make({{"teacher", kind}, {"logits", logits}});
      Setup setup{model, arena, stream, make_generator(1),
                  [&](const TeacherRequest&) -> std::shared_ptr<Model> { return teacher; }};
      strategy->prepare(setup);
      TrainingPlan plan;
      plan.parts.push_back({rows});
      model.train(true);  // also where the strategy finds the model so
      strategy->before_task({2, stream, plan, model, arena, 1});
      const Batch batch = rows->batch({0});
      const Tensor student = at::tensor({2.0F, 1.0F, 0.0F}).view({1, 3}).set_requires_grad(true);
      const Tensor loss = strategy->extra_loss({2, 0, stream, batch, student, model, arena});
      const Noting& asked = kind == "larger" ? *teacher : model;
      CHECK(asked.asked == 1);
      CHECK_FALSE(asked.training_when_asked);
      CHECK_FALSE(asked.graph_when_asked);
      CHECK(loss.item<double>() == Approx(1.07549602).epsilon(1e-6));
      CHECK(model.training());
    }
  }
}

TEST_CASE("a larger teacher needs a way to train one") {
  CHECK_THROWS_WITH(
      Distilling(Scenario::domain_incremental, kTeacher, kOneThenOne, {{"teacher", "larger"}}),
      "distill: teacher = larger needs a way to train one, which this run lacks; use previous");
}
