// The Fisher readings of a toy and both forms of their computation.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "tests/regulariser_case.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

/// The end of a task: every one has the same rows.
Driven ended(std::unique_ptr<Model> model, const RowsPtr& rows, int64_t classes) {
  return {std::move(model), same_rows_stream(rows, classes), "ewc"};
}

Driven toy() { return ended(toy_model(), toy_rows(), 2); }

}  // namespace

TEST_CASE("the Fisher of the toy classifier has the golden values in every reading") {
  Driven at_end = toy();
  const std::vector<std::pair<std::string, double>> golden = {
      {"exact", 0.27106607},    {"auto", 0.27106607},      {"empirical", 1.08262432},
      {"weighted", 0.15855545}, {"predicted", 0.06716544}, {"batched", 0.16638549}};
  for (const auto& [labels, value] : golden) {
    CAPTURE(labels);
    const Tensor fast = fisher_diagonal(at_end.task_end(), {labels, 0});
    const Tensor slow = fisher_by_rows(at_end.task_end(), {labels, 0});
    for (int64_t i = 0; i < 2; ++i) {
      CHECK(fast[i].item<double>() == Approx(value).epsilon(1e-6));
      CHECK(slow[i].item<double>() == Approx(value).epsilon(1e-6));
    }
  }
}

TEST_CASE("divisor n-1 divides by one less than the rows, or the batches") {
  Driven at_end = toy();
  CHECK(fisher_diagonal(at_end.task_end(), {"exact", 0, "n-1"})[0].item<double>() ==
        Approx(0.40659910).epsilon(1e-6));
  const auto batched = [&](const std::string& divisor) {
    return fisher_diagonal(at_end.task_end(), {"batched", 0, divisor, 1})[1].item<double>();
  };
  CHECK(batched("n-1") == Approx(batched("n") * 3 / 2).epsilon(1e-6));
  CHECK_THROWS_WITH(fisher_diagonal(at_end.task_end(), {"exact", 1, "n-1"}),
                    "divisor = n-1 needs at least 2 rows or batches, here is 1; use divisor = n");
}

TEST_CASE("the last, smaller batch counts by its rows") {
  const RowsPtr rows = random_rows(4, 31, 6, {0, 1, 2, 3});
  Driven at_end = ended(mlp(6, 8, 1, 4), rows, 4);
  CHECK(largest_difference(fisher_diagonal(at_end.task_end(1, 10), {"exact", 0}),
                           fisher_by_rows(at_end.task_end(), {"exact", 0})) < 1e-6);
}

TEST_CASE("fewer rows are the same ones in every run, and others in another task") {
  const RowsPtr rows = random_rows(4, 40, 6, {0, 1, 2, 3});
  Driven at_end = ended(mlp(6, 8, 1, 4), rows, 4);
  for (const std::string labels : {"exact", "sampled"}) {
    const auto fisher = [&](uint64_t seed) {
      TaskEnd end = at_end.task_end();
      end.generator = make_generator(seed);
      return fisher_diagonal(end, {labels, 5});
    };
    CHECK(fisher(5).equal(fisher(5)));
    CHECK_FALSE(fisher(5).equal(fisher(6)));
  }
}

TEST_CASE("frozen layers below do not take the fast form away") {
  const RowsPtr rows = random_rows(3, 30, 6, {0, 1, 2, 3});
  Driven at_end = ended(mlp(6, 8, 2, 4), rows, 4);
  at_end.model->seams()[0]->set_trainable(false);
  at_end.arena.lay_out(*at_end.model);
  CHECK(one_vector_per_row(*at_end.model, at_end.arena, rows->batch({0})));
  CHECK(largest_difference(fisher_diagonal(at_end.task_end(), {"exact", 0}),
                           fisher_by_rows(at_end.task_end(), {"exact", 0})) < 1e-6);
}

TEST_CASE("one pass gives the Fisher of one pass a row") {
  const RowsPtr rows = random_rows(3, 30, 6, {0, 1, 2, 3});
  Driven at_end = ended(mlp(6, 8, 2, 4), rows, 4);
  for (const std::string labels : {"exact", "empirical", "weighted", "predicted"}) {
    CAPTURE(labels);
    const Tensor fast = fisher_diagonal(at_end.task_end(), {labels, 0});
    CHECK(fast.max().item<double>() > 1e-3);
    CHECK(largest_difference(fast, fisher_by_rows(at_end.task_end(), {labels, 0})) < 1e-6);
  }
}

TEST_CASE("the Fisher of masked classes is 0 and both forms agree on the others") {
  const RowsPtr rows = random_rows(3, 20, 6, {0, 1}, true, 4);
  Driven at_end = ended(mlp(6, 8, 1, 4), rows, 4);
  const Tensor fast = fisher_diagonal(at_end.task_end(), {"exact", 0});
  CHECK(largest_difference(fast, fisher_by_rows(at_end.task_end(), {"exact", 0})) < 1e-6);
  const ArenaRange& head = at_end.arena.ranges()[2];
  CHECK(head.name == "classifier.weight");
  const Tensor weights = at_end.arena.slice(fast, head);
  CHECK(weights.narrow(0, 2, 2).abs().max().item<double>() == 0);
  CHECK(weights.narrow(0, 0, 2).max().item<double>() > 0);
}

TEST_CASE("the Fisher does not depend on the batch size unless it is batched") {
  Driven at_end = ended(mlp(6, 8, 1, 4), random_rows(4, 30, 6, {0, 1, 2, 3}), 4);
  const auto difference = [&](const std::string& labels) {
    return largest_difference(fisher_diagonal(at_end.task_end(1, 7), {labels, 0}),
                              fisher_diagonal(at_end.task_end(1, 30), {labels, 0}));
  };
  CHECK(difference("exact") < 1e-6);
  CHECK(difference("empirical") < 1e-6);
  CHECK(difference("batched") == 0);  // an evaluation's setting does not change what lambda means
  const auto batched = [&](int64_t batch) {
    return fisher_diagonal(at_end.task_end(), {"batched", 0, "n", batch});
  };
  CHECK(largest_difference(batched(7), batched(30)) > 1e-4);
}

TEST_CASE("what no task can give is refused before training, by prepare") {
  const auto refused = [](const OptionMap& options, int64_t classes, const std::string& said) {
    const auto check = [&] {
      TaskStream stream = same_rows_stream(toy_rows(), classes);
      const auto model = toy_model();
      Arena arena;
      Setup setup{*model, arena, stream, make_generator(1), {}};
      builtin_methods().at("ewc").make(options)->prepare(setup);
    };
    CHECK_THROWS_WITH(check(), said);
  };
  refused({{"rows", "4"}}, 2,
          "ewc: rows = 4, but task 1 ('task1') of stream 'same' has 3 training rows; ask for at "
          "most that, or 0 for all");
  refused(
      {{"divisor", "n-1"}, {"rows", "1"}}, 2,
      "ewc: divisor = n-1 needs at least 2 rows, but task 1 ('task1') gives 1; use divisor = n");
  refused(
      {{"divisor", "n-1"}, {"labels", "batched"}}, 2,
      "ewc: divisor = n-1 needs at least 2 batches, but task 1 ('task1') gives 1; use divisor = "
      "n");
  refused({{"labels", "exact"}}, 101,
          "ewc: labels = exact takes one backward pass a class and is for at most 100 classes, but "
          "stream 'same' has 101; use labels = sampled");
  refused({{"labels", "exact"}}, 0,
          "ewc: labels = exact takes one backward pass a class and is for at most 100 classes, but "
          "stream 'same' has a whole vocabulary; use labels = sampled");
}

TEST_CASE("auto is exact up to 100 classes, and sampled above and on text") {
  const auto labels = [](int64_t classes) {
    return fisher_labels("auto", same_rows_stream(toy_rows(), classes));
  };
  CHECK(labels(2) == "exact");
  CHECK(labels(100) == "exact");
  CHECK(labels(101) == "sampled");
  CHECK(labels(0) == "sampled");
  CHECK(fisher_labels("empirical", same_rows_stream(toy_rows(), 0)) == "empirical");
}

TEST_CASE("sampled labels give the exact Fisher on average") {
  std::vector<std::vector<float>> inputs(20000, {1.0F});
  Driven at_end = ended(std::make_unique<OneLayer>(at::tensor({0.5F, -0.5F}).view({2, 1})),
                        std::make_shared<VectorRows>(0, inputs, std::vector<int64_t>(20000, 0)), 2);
  const double p = 1 / (1 + std::exp(-1.0));
  // E[(p - 1[y])^2] = p (1 - p); the mean's deviation is about 0.2 / sqrt(20000).
  CHECK(fisher_diagonal(at_end.task_end(), {"sampled", 0})[0].item<double>() ==
        Approx(p * (1 - p)).margin(0.006));
}

TEST_CASE("the Fisher of more rows than there are is refused") {
  Driven at_end = toy();
  CHECK_THROWS_WITH(fisher_diagonal(at_end.task_end(), {"exact", 4}),
                    "4 rows are asked of the importances, but task 1 has 3; ask for at most that, "
                    "or 0 for all");
}

TEST_CASE("the gaps between parameters have a Fisher of 0 in every reading") {
  Driven at_end = ended(mlp(6, 3, 1, 4), random_rows(3, 20, 6, {0, 1, 2, 3}), 4);
  for (const std::string labels :
       {"exact", "sampled", "empirical", "weighted", "predicted", "batched"}) {
    CAPTURE(labels);
    {  // memory that the next tensors of this size are likely to get
      std::vector<Tensor> freed;
      for (int i = 0; i < 8; ++i) {
        freed.push_back(at::full({at_end.arena.size()}, std::nan(""), at::kFloat));
      }
    }
    const Tensor fisher = fisher_diagonal(at_end.task_end(1, 7), {labels, 0});
    double within = 0;
    for (const ArenaRange& range : at_end.arena.ranges()) {
      within += at_end.arena.slice(fisher, range).sum().item<double>();
    }
    CHECK(within == Approx(fisher.sum().item<double>()));
  }
}
