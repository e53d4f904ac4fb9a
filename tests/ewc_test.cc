// The Fisher readings of spec 3.9, both forms of its computation, and EWC's penalty.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "core/update.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

/// The end of task `task` of a stream whose every task has the same rows.
struct Ended {
  Ended(std::unique_ptr<Model> given, const RowsPtr& rows, int64_t classes)
      : model(std::move(given)) {
    stream.classes = classes;
    std::vector<int64_t> all;
    for (int64_t c = 0; c < classes; ++c) all.push_back(c);
    for (const char* name : {"one", "two", "three"}) {
      stream.tasks.push_back(vector_task(name, rows, all));
    }
    arena.lay_out(*model);
  }
  TaskEnd end(int64_t task = 1, int64_t batch = 256) {
    return {task, stream, *stream.tasks[0].train, *model, arena, make_generator(5), batch};
  }

  std::unique_ptr<Model> model;
  TaskStream stream;
  Arena arena;
};

/// w = (.5, -.5), x = (1, 2, -1), y = (0, 1, 1) of spec 3.9.
Ended toy() {
  return {std::make_unique<OneLayer>(at::tensor({0.5F, -0.5F}).view({2, 1})),
          std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1}, {2}, {-1}},
                                       std::vector<int64_t>{0, 1, 1}),
          2};
}

/// Two classes with logits (w x, 0), w = (0, 0).
class Logistic : public Model {
 public:
  Logistic() : layer_("classifier", at::zeros({1, 2}), {}, SeamKind::head) {}
  Tensor forward(const Batch& batch) override {
    const Tensor z = layer_.forward(batch.inputs);
    return at::cat({z, at::zeros_like(z)}, 1);
  }
  std::vector<Seam*> seams() override { return {&layer_}; }

 private:
  Linear layer_;
};

double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

void give(Ended& ended, float a, float b) {
  const at::NoGradGuard no_grad;
  ended.arena.values()[0] = a;
  ended.arena.values()[1] = b;
}

/// The penalty's value and gradient at the present values, through the fused pass.
double penalty_of(Strategy& strategy, Ended& ended, Tensor* gradient = nullptr) {
  Arena& arena = ended.arena;
  const Tensor before = arena.values().clone();
  arena.gradient().zero_();
  kernels::Update step;
  step.optimizer = kernels::Optimizer::sgd;
  step.n = arena.size();
  step.value = arena.values().data_ptr<float>();
  step.gradient = arena.gradient().data_ptr<float>();
  step.learning_rate = 1;
  step.step = 1;
  Update update(arena, step, [](const Batch&, Tensor) {});
  strategy.contribute(update);
  const double value = update_on(at::kCPU, step);
  const at::NoGradGuard no_grad;
  if (gradient != nullptr) *gradient = before - arena.values();  // one step of SGD with rate 1
  arena.values().copy_(before);
  return value;
}

std::unique_ptr<Strategy> prepared(Ended& ended, const OptionMap& options) {
  auto strategy = builtin_methods().at("ewc").make(options);
  Setup setup{*ended.model, ended.arena, ended.stream, make_generator(1), {}};
  strategy->prepare(setup);
  return strategy;
}

}  // namespace

TEST_CASE("the Fisher of the toy classifier has the golden values in every reading") {
  Ended ended = toy();
  const std::vector<std::pair<std::string, double>> golden = {{"exact", 0.27106607},
                                                              {"auto", 0.27106607},
                                                              {"empirical", 1.08262432},
                                                              {"predicted", 0.06716544},
                                                              {"batched", 0.16638549}};
  for (const auto& [labels, value] : golden) {
    CAPTURE(labels);
    const Tensor fast = fisher_diagonal(ended.end(), {labels, 0});
    const Tensor slow = fisher_by_rows(ended.end(), {labels, 0});
    for (int64_t i = 0; i < 2; ++i) {
      CHECK(fast[i].item<double>() == Approx(value).epsilon(1e-6));
      CHECK(slow[i].item<double>() == Approx(value).epsilon(1e-6));
    }
  }
}

TEST_CASE("one pass gives the Fisher of one pass a row") {
  const RowsPtr rows = random_rows(3, 30, 6, {0, 1, 2, 3});
  Ended ended(mlp(6, 8, 2, 4), rows, 4);
  for (const std::string labels : {"exact", "empirical", "predicted"}) {
    CAPTURE(labels);
    const Tensor fast = fisher_diagonal(ended.end(), {labels, 0});
    CHECK(fast.max().item<double>() > 1e-3);
    CHECK(largest_difference(fast, fisher_by_rows(ended.end(), {labels, 0})) < 1e-6);
  }
}

TEST_CASE("the Fisher of masked classes is 0 and both forms agree on the others") {
  const RowsPtr rows = random_rows(3, 20, 6, {0, 1}, true, 4);
  Ended ended(mlp(6, 8, 1, 4), rows, 4);
  const Tensor fast = fisher_diagonal(ended.end(), {"exact", 0});
  CHECK(largest_difference(fast, fisher_by_rows(ended.end(), {"exact", 0})) < 1e-6);
  const ArenaRange& head = ended.arena.ranges()[2];
  CHECK(head.name == "classifier.weight");
  const Tensor weights = ended.arena.slice(fast, head);
  CHECK(weights.narrow(0, 2, 2).abs().max().item<double>() == 0);
  CHECK(weights.narrow(0, 0, 2).max().item<double>() > 0);
}

TEST_CASE("the Fisher does not depend on the batch size unless it is batched") {
  Ended ended(mlp(6, 8, 1, 4), random_rows(4, 30, 6, {0, 1, 2, 3}), 4);
  const auto difference = [&](const std::string& labels) {
    return largest_difference(fisher_diagonal(ended.end(1, 7), {labels, 0}),
                              fisher_diagonal(ended.end(1, 30), {labels, 0}));
  };
  CHECK(difference("exact") < 1e-6);
  CHECK(difference("empirical") < 1e-6);
  CHECK(difference("batched") > 1e-4);
}

TEST_CASE("sampled labels give the exact Fisher on average") {
  std::vector<std::vector<float>> inputs(20000, {1.0F});
  Ended ended(std::make_unique<OneLayer>(at::tensor({0.5F, -0.5F}).view({2, 1})),
              std::make_shared<VectorRows>(0, inputs, std::vector<int64_t>(20000, 0)), 2);
  const double p = 1 / (1 + std::exp(-1.0));
  // E[(p - 1[y])^2] = p (1 - p); the mean's deviation is about 0.2 / sqrt(20000).
  CHECK(fisher_diagonal(ended.end(), {"sampled", 0})[0].item<double>() ==
        Approx(p * (1 - p)).margin(0.006));
}

TEST_CASE("the Fisher of more rows than there are is refused") {
  Ended ended = toy();
  CHECK_THROWS_WITH(fisher_diagonal(ended.end(), {"exact", 4}),
                    "4 rows are asked of the importances, but task 1 has 3; ask for at most that, "
                    "or 0 for all");
}

TEST_CASE("EWC's penalty and gradient have the golden values") {
  Ended ended = toy();
  const auto ewc = prepared(ended, {{"lambda", "100"}});
  ewc->after_task(ended.end());
  CHECK(penalty_of(*ewc, ended) == 0);
  give(ended, 0.8F, -0.1F);
  Tensor gradient;
  CHECK(penalty_of(*ewc, ended, &gradient) == Approx(3.38832587).epsilon(1e-6));
  CHECK(gradient[0].item<double>() == Approx(8.13198208).epsilon(1e-6));
  CHECK(gradient[1].item<double>() == Approx(10.84264277).epsilon(1e-6));
}

TEST_CASE("the gradient of EWC's penalty equals finite differences") {
  Ended ended = toy();
  const auto ewc = prepared(ended, {{"lambda", "10"}});
  ewc->after_task(ended.end(1));
  give(ended, 1, 0.25F);
  ewc->after_task(ended.end(2));
  give(ended, 0.25F, -1);
  Tensor gradient;
  penalty_of(*ewc, ended, &gradient);
  const float h = 0.015625F;
  give(ended, 0.25F + h, -1);
  const double above = penalty_of(*ewc, ended);
  give(ended, 0.25F - h, -1);
  const double below = penalty_of(*ewc, ended);
  CHECK(gradient[0].item<double>() == Approx((above - below) / (2 * h)).epsilon(1e-5));
}

TEST_CASE("offline EWC keeps every task's own anchor: 3.45 and not 4.95") {
  // F1 = (1, 2), F2 = (.5, .1), anchors (0, 0) and (1, -1), theta = (2, 1), lambda = 1 (spec 3.9).
  // F = p (1 - p) x^2 for one row x. At w = 0 that is x^2 / 4; at (1, -1) x = (sqrt(5) b, b) with
  // b as below, by bisection.
  double low = 0, high = 0.7;
  const auto excess = [](double b) {
    const double p = 1 / (1 + std::exp(-b * (std::sqrt(5.0) - 1)));
    return p * (1 - p) * b * b - 0.1;
  };
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (excess(middle) > 0 ? high : low) = middle;
  }
  const auto one_row = [](double a, double b) {
    return VectorRows(0, {{static_cast<float>(a), static_cast<float>(b)}}, {0});
  };
  Ended ended(std::make_unique<Logistic>(),
              std::make_shared<VectorRows>(one_row(2, 2 * std::sqrt(2.0))), 2);
  const auto ewc = prepared(ended, {{"lambda", "1"}});
  ewc->after_task(ended.end(1));
  give(ended, 1, -1);
  const VectorRows rows = one_row(std::sqrt(5.0) * low, low);
  TaskEnd second = ended.end(2);
  ewc->after_task({2, second.stream, rows, second.model, second.arena, second.generator, 8});
  const Tensor importance = ended.arena.twin("ewc.importance").tensor();
  CHECK(importance[0].item<double>() == Approx(1.5).epsilon(1e-6));
  CHECK(importance[1].item<double>() == Approx(2.1).epsilon(1e-6));
  give(ended, 2, 1);
  CHECK(penalty_of(*ewc, ended) + 0.21428571 == Approx(3.45).epsilon(1e-6));
}

TEST_CASE("the collapsed penalty differs from the separate ones by a constant") {
  Ended ended = toy();
  const auto ewc = prepared(ended, {{"lambda", "2"}});
  const Tensor importance = ended.arena.twin("ewc.importance").tensor();
  const std::vector<std::pair<float, float>> anchors = {{0.5F, -0.5F}, {1, 0}};
  std::vector<Tensor> fishers;
  for (size_t t = 0; t < anchors.size(); ++t) {
    give(ended, anchors[t].first, anchors[t].second);
    fishers.push_back(fisher_diagonal(ended.end(), {"exact", 0}));
    ewc->after_task(ended.end(static_cast<int64_t>(t) + 1));
  }
  CHECK(largest_difference(importance, fishers[0] + fishers[1]) < 1e-7);
  std::vector<double> constants;
  for (const auto& [a, b] : {std::pair{2.0F, 1.0F}, {-1.0F, 0.5F}, {0.0F, 3.0F}}) {
    give(ended, a, b);
    double separate = 0;
    for (size_t t = 0; t < anchors.size(); ++t) {
      separate += fishers[t][0].item<double>() * std::pow(a - anchors[t].first, 2) +
                  fishers[t][1].item<double>() * std::pow(b - anchors[t].second, 2);
    }
    constants.push_back(separate - penalty_of(*ewc, ended));
  }
  CHECK(constants[0] > 0.01);
  CHECK(constants[1] == Approx(constants[0]).epsilon(1e-5));
  CHECK(constants[2] == Approx(constants[0]).epsilon(1e-5));
}

TEST_CASE("online EWC decays the importance and anchors at the latest values") {
  Ended ended = toy();
  const auto ewc = prepared(ended, {{"lambda", "2"}, {"mode", "online"}, {"gamma", "0.5"}});
  const Tensor first = fisher_diagonal(ended.end(), {"exact", 0});
  ewc->after_task(ended.end(1));
  give(ended, 1, 0);
  const Tensor second = fisher_diagonal(ended.end(), {"exact", 0});
  ewc->after_task(ended.end(2));
  CHECK(penalty_of(*ewc, ended) == 0);
  CHECK(largest_difference(ended.arena.twin("ewc.importance").tensor(), first * 0.5 + second) <
        1e-7);
  ewc->after_task(ended.end(3));  // nothing comes after the last task
  CHECK(largest_difference(ended.arena.twin("ewc.importance").tensor(), first * 0.5 + second) <
        1e-7);
}
