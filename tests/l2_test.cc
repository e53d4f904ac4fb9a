// The plain pull: lambda/2 (theta - anchor)^2 with the anchor where the last task ended.
#include "tests/catch.h"
// After Catch.
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

Driven two_weights(const OptionMap& options) {
  const RowsPtr rows = std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1, 1}},
                                                    std::vector<int64_t>{0});
  return {std::make_unique<EvenOdds>(2), same_rows_stream(rows, 2), "l2", options};
}

}  // namespace

TEST_CASE("l2 is half lambda times the squared distance, and pulls by lambda times the distance") {
  Driven l2 = two_weights({{"lambda", "3"}});
  l2.set({1, -2});
  CHECK(l2.penalty() == 0);  // nothing is held in task 1
  l2.end(1);
  CHECK(l2.penalty() == 0);
  l2.set({1.5F, -4});
  Tensor gradient;
  CHECK(l2.penalty(&gradient) == Approx(1.5 * (0.25 + 4)));
  CHECK(gradient[0].item<double>() == Approx(3 * 0.5));
  CHECK(gradient[1].item<double>() == Approx(3 * -2));
}

TEST_CASE("l2 does not pull what a task adds, not even towards where it began") {
  Method method = method_of("inclora+l2", {{"rank", "2"}});
  TaskStream stream = random_stream(Scenario::class_incremental, 3);
  const auto model = mlp(6, 8, 1, 6);
  Arena arena;
  const auto adapt = [&](int64_t task) {
    Setup setup{*model, arena, stream, make_generator(static_cast<uint64_t>(task)), {}};
    if (task == 1) {
      for (const auto& strategy : method.strategies) strategy->prepare(setup);
    }
    for (const auto& strategy : method.strategies) strategy->adapt(setup, task);
    arena.lay_out(*model);
  };
  adapt(1);
  const Rows& rows = *stream.tasks[0].train;
  method.strategies[1]->after_task({1, stream, rows, *model, arena, make_generator(1), 64});
  adapt(2);
  // The pairs of task 2 are new, A drawn and B zero: nothing is held.
  kernels::Update step;
  step.n = arena.size();
  Update update(arena, step, [](const Batch&, Tensor) {});
  method.strategies[1]->contribute(update);
  REQUIRE(step.terms == 1);
  const Tensor moved = arena.values() - arena.twin("l2.anchor").tensor();
  CHECK(moved.abs().max().item<double>() > 0.1);
  CHECK((arena.twin("l2.importance").tensor() * moved).abs().max().item<double>() == 0);
  // After task 2 they are, and the gaps of the arena stay 0.
  method.strategies[1]->after_task({2, stream, rows, *model, arena, make_generator(1), 64});
  CHECK(arena.twin("l2.importance").tensor().sum().item<double>() ==
        static_cast<double>(arena.parameter_count()));
}

TEST_CASE("l2 keeps the latest anchor alone") {
  Driven l2 = two_weights({{"lambda", "1"}});
  l2.end(1);
  l2.set({4, 4});
  l2.end(2);
  CHECK(l2.penalty() == 0);
  l2.set({5, 4});
  CHECK(l2.penalty() == Approx(0.5));
}

TEST_CASE("l2 is ewc with an importance of 1 and the latest anchor") {
  Driven l2 = two_weights({{"lambda", "2.5"}});
  Driven ewc{std::make_unique<EvenOdds>(2),
             l2.stream,
             "ewc",
             {{"lambda", "2.5"}, {"mode", "online"}, {"gamma", "0"}}};
  for (Driven* driven : {&l2, &ewc}) {
    driven->set({0.5F, -1});
    driven->end_on(1, row_with_fisher({1, 1}));
    driven->set({2, 3});
  }
  CHECK(l2.penalty() == Approx(ewc.penalty()));
}
