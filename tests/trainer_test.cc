// The training loop: accumulation, clipping, schedule, early stopping, evaluation within tasks.
#include <limits>

#include "tests/catch.h"
// After Catch.
#include "tests/engine_case.h"
#include "tests/tensors.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

struct Trained {
  TrialResult result;
  Tensor values;
};

/// One task of 64 rows, trained under `options`.
Trained trained(const TrainOptions& options, int64_t tasks = 1,
                const std::string& method = "finetune") {
  const auto model = mlp(6, 8, 1, 2 * tasks);
  TaskStream stream = random_stream(Scenario::class_incremental, tasks);
  Method strategies = method_of(method);
  TrainRequest request = small_request(*model, stream, strategies);
  request.options = options;
  Trained done{train(request), {}};
  std::vector<Tensor> flat;
  for (const Parameter& parameter : model->parameters()) {
    flat.push_back(parameter.value.detach().clone().view({-1}));
  }
  done.values = at::cat(flat);
  return done;
}

Tensor head_weight(Model& model) { return model.linears().back()->base().dense().detach().clone(); }

TrainOptions few_steps() {
  TrainOptions options;
  options.steps = 4;
  options.batch = 32;
  options.lr = 0.05;
  options.log_every = 1;
  return options;
}

}  // namespace

TEST_CASE("two accumulated batches of 16 make the step of one batch of 32") {
  TrainOptions options = few_steps();
  options.optimizer = "sgd";
  const Trained whole = trained(options);
  options.batch = 16;
  options.accumulate = 2;
  const Trained halves = trained(options);
  CHECK(largest_difference(whole.values, halves.values) < 1e-6);
  CHECK(halves.result.curve.back().step == 4);
  options.accumulate = 1;
  CHECK(largest_difference(whole.values, trained(options).values) > 1e-4);
}

TEST_CASE("a clipped step of SGD is as long as the rate times the clip") {
  TrainOptions options = few_steps();
  options.optimizer = "sgd";
  options.steps = 1;
  options.lr = 1e-9;
  const Tensor start = trained(options).values;
  options.lr = 0.5;
  options.clip = 0.01;
  const Trained clipped = trained(options);
  CHECK((clipped.values - start).norm().item<double>() == Approx(0.005).epsilon(1e-3));
  CHECK(clipped.result.curve[0].gradient_norm > 0.01);
  options.clip = 1e6;
  options.lr = 0.5;
  CHECK((trained(options).values - start).norm().item<double>() ==
        Approx(0.5 * clipped.result.curve[0].gradient_norm).epsilon(1e-3));
}

TEST_CASE("a trial whose penalty stays 0 says so, one task or a pull that shows does not") {
  const auto told = [](const std::string& lambda, int64_t tasks, int64_t steps) {
    const auto model = mlp(6, 8, 1, 2 * tasks);
    TaskStream stream = random_stream(Scenario::class_incremental, tasks);
    Method ewc = method_of("ewc", {{"lambda", lambda}});
    TrainRequest request = small_request(*model, stream, ewc);
    request.options.steps = steps;
    return train(request).notes.back() ==
           "the penalty of ewc was 0 after the first task too: its strength is 0, or it held "
           "nothing that was trained";
  };
  CHECK(told("0", 2, 6));
  CHECK_FALSE(told("1", 2, 6));
  CHECK_FALSE(told("0", 1, 6));
  CHECK_FALSE(told("1", 2, 1));  // its only step stands at the anchor
}

TEST_CASE("task-incremental training leaves the units of other tasks as they are") {
  for (const auto& [method, options] :
       std::vector<std::pair<std::string, OptionMap>>{{"finetune", {}},
                                                      {"ewc", {}},
                                                      {"si", {}},
                                                      {"distill", {}},
                                                      {"replay", {{"budget", "4"}}}}) {
    CAPTURE(method);
    const auto model = mlp(6, 8, 1, 6);
    TaskStream stream = random_stream(Scenario::task_incremental, 3);
    stream.tasks.resize(2);  // the third task's units have no rows yet
    const Tensor before = head_weight(*model);
    Method strategies = method_of(method, options);
    TrainRequest request = small_request(*model, stream, strategies);
    train(request);
    const Tensor after = head_weight(*model);
    CHECK(after.narrow(0, 4, 2).equal(before.narrow(0, 4, 2)));
    for (const int64_t task : {0, 1}) {
      CHECK((after.narrow(0, 2 * task, 2) != before.narrow(0, 2 * task, 2)).any().item<bool>());
    }
  }
  const auto model = mlp(6, 8, 1, 4);
  TaskStream open = random_stream(Scenario::class_incremental, 2);
  open.tasks.resize(1);
  const Tensor before = head_weight(*model);
  Method finetune = method_of("finetune");
  TrainRequest request = small_request(*model, open, finetune);
  train(request);
  CHECK_FALSE(head_weight(*model).narrow(0, 2, 2).equal(before.narrow(0, 2, 2)));
}

TEST_CASE("the cosine schedule starts again in every task") {
  TrainOptions options = few_steps();
  options.schedule = "cosine";
  const auto curve = trained(options, 2).result.curve;
  REQUIRE(curve.size() == 8);
  const double half = std::sqrt(0.5) / 2;  // 0.5 (1 + cos(pi / 4)) = 0.5 + half
  const std::vector<double> factors = {1, 0.5 + half, 0.5, 0.5 - half};
  for (size_t i = 0; i < curve.size(); ++i) {
    CHECK(curve[i].learning_rate == Approx(0.05 * factors[i % 4]));
  }
}

TEST_CASE("a rate rises over the warm-up and then falls in a line") {
  TrainOptions options = few_steps();
  options.schedule = "linear";
  options.warmup = 0.25;
  options.steps = 8;
  const auto curve = trained(options, 2).result.curve;
  REQUIRE(curve.size() == 16);
  // Two steps up (a quarter of 8), then 1 - k/6 for k = 0 to 5.
  const std::vector<double> factors = {0.5, 1, 1, 5.0 / 6, 4.0 / 6, 0.5, 2.0 / 6, 1.0 / 6};
  for (size_t i = 0; i < curve.size(); ++i) {
    CHECK(curve[i].learning_rate == Approx(0.05 * factors[i % 8]));
  }
}

TEST_CASE("training stops after `patience` epochs without a better validation loss") {
  TrainOptions options = few_steps();
  options.epochs = 50;
  options.lr = 1e-12;  // too small to move a float: no epoch is better than the first
  options.patience = 2;
  CHECK(trained(options).result.curve.back().step == 3 * 2);  // 64 rows: two steps an epoch
  options.patience = 0;
  CHECK(trained(options).result.curve.back().step == 50 * 2);
}

TEST_CASE("a loss that is not finite ends the trial, naming task and step") {
  TrainOptions options = few_steps();
  options.optimizer = "sgd";
  options.lr = 1e38;
  CHECK_THROWS_WITH(trained(options),
                    "the loss of task 1 ('task1') is nan at step 2; lower the learning rate or the "
                    "strengths, or set train.clip");
}

TEST_CASE("a method that trains a quantised base is refused before any step") {
  for (const std::string format : {"int8", "nf4", "bf16"}) {
    const auto refuse = [&](const std::string& method, const OptionMap& options) {
      const auto model = mlp(6, 8, 1, 2);
      model->linears()[0]->set_format(format);
      TaskStream stream = random_stream(Scenario::class_incremental, 1);
      Method strategies = method_of(method, options);
      train(small_request(*model, stream, strategies));
    };
    const std::pair<std::string, OptionMap> trains[] = {
        {"finetune", {}}, {"ewc", {}}, {"freeze", {{"layers", "1"}}}};
    for (const auto& [method, options] : trains) {
      CHECK_THROWS_WITH(refuse(method, options),
                        Contains("'fc1', whose base is " + format) &&
                            Contains("choose a method that leaves the base"));
    }
    CHECK_NOTHROW(refuse("lora", {{"rank", "2"}}));
    CHECK_NOTHROW(refuse("bitfit", {}));
  }
}

TEST_CASE("every task is scored before training, after each task, and within tasks where asked") {
  TrainOptions options = few_steps();
  options.eval_every = 2;
  const auto scores = trained(options, 2).result.evaluations;
  std::vector<std::vector<int64_t>> found;
  for (const Evaluation& e : scores) {
    found.push_back({e.after_task, e.step, e.within_task ? 1 : 0, e.on_task, e.total});
  }
  CHECK(found == std::vector<std::vector<int64_t>>{{0, 0, 0, 1, 64},
                                                   {0, 0, 0, 2, 64},
                                                   {1, 2, 1, 1, 64},
                                                   {1, 2, 1, 2, 64},
                                                   {1, 4, 0, 1, 64},
                                                   {1, 4, 0, 2, 64},
                                                   {2, 6, 1, 1, 64},
                                                   {2, 6, 1, 2, 64},
                                                   {2, 8, 0, 1, 64},
                                                   {2, 8, 0, 2, 64}});
}

TEST_CASE("evaluation within a task leaves the training as it is") {
  TrainOptions options = few_steps();
  const std::string digest = trained(options, 2).result.weights_digest;
  options.eval_every = 1;
  CHECK(trained(options, 2).result.weights_digest == digest);
}

TEST_CASE("validation rows are scored where the options say so, and test rows are not") {
  for (const std::string rows : {"test", "validation"}) {
    CAPTURE(rows);
    const auto model = mlp(6, 8, 1, 2);
    TaskStream stream = random_stream(Scenario::class_incremental, 1);
    stream.tasks[0].validation = random_rows(11, 7, 6, {0, 1});
    stream.tasks[0].test = random_rows(12, 5, 6, {0, 1});
    Method strategies = method_of("finetune");
    TrainRequest request = small_request(*model, stream, strategies);
    request.options = few_steps();
    request.options.eval_every = 2;
    request.options.evaluate = rows;
    const TrialResult result = train(request);
    REQUIRE(result.evaluations.size() == 3);  // before, within and after
    for (const Evaluation& score : result.evaluations)
      CHECK(score.total == (rows[0] == 't' ? 5 : 7));
  }
}

TEST_CASE("training counts subnormal numbers as zero, what comes after it does not") {
  const auto half = [] {
    volatile float least = std::numeric_limits<float>::min();
    return least * 0.5F;
  };
  const auto model = mlp(6, 8, 1, 2);
  TaskStream stream = random_stream(Scenario::class_incremental, 1);
  Method strategies = method_of("finetune");
  TrainRequest request = small_request(*model, stream, strategies);
  request.options = few_steps();
  float within = 1;
  request.keep = [&](const std::set<std::string>&) { within = half(); };
  train(request);
  CHECK(within == 0);
  CHECK(half() > 0);
}
