// Memory aware synapses: a toy's importances by hand, both forms of their computation, the penalty.
#include "tests/catch.h"
// After Catch.
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

Driven toy(const OptionMap& options) {
  return {toy_model(), same_rows_stream(toy_rows(), 2), "mas", options};
}

double importance(Driven& mas, int64_t i) { return mas.twin("mas.importance")[i].item<double>(); }

/// A trained factor on an mlp's logits: a value that belongs to no Linear.
class Scaled : public Model {
 public:
  explicit Scaled(std::unique_ptr<Model> inner) : inner_(std::move(inner)) {}
  Tensor forward(const Batch& batch) override { return inner_->forward(batch) * factor_.value; }
  std::vector<Seam*> seams() override {
    std::vector<Seam*> all = inner_->seams();
    all.push_back(&factor_);
    return all;
  }

 private:
  class Factor : public Seam {
   public:
    Factor() : Seam("factor", SeamKind::norm) { value.set_requires_grad(true); }
    void parameters(const ParameterVisitor& visit) override { visit("factor.weight", value); }
    Tensor value = at::ones({1});
  };
  std::unique_ptr<Model> inner_;
  Factor factor_;
};

/// Predicts two positions a row, each from one half of its inputs by the same weights.
class TwoPositions : public Model {
 public:
  TwoPositions() : layer_("classifier", at::tensor({0.5F, -0.5F}).view({2, 1}), {}) {}
  Tensor forward(const Batch& batch) override {
    return layer_.forward(batch.inputs.reshape({-1, 1}));
  }
  std::vector<Seam*> seams() override { return {&layer_}; }

 private:
  Linear layer_;
};

class PairRows : public VectorRows {
 public:
  using VectorRows::VectorRows;
  Batch batch(const std::vector<int64_t>& indices) const override {
    Batch batch = VectorRows::batch(indices);
    batch.row_of = at::arange(batch.rows(), at::kLong).repeat_interleave(2);
    batch.positions = at::arange(2 * batch.rows(), at::kLong);
    batch.targets = batch.targets.repeat_interleave(2);
    return batch;
  }
};

}  // namespace

TEST_CASE("the importance of the toy classifier has the golden value for either norm") {
  Driven squared = toy({});
  squared.end(1);
  Driven unsquared = toy({{"norm", "unsquared"}});
  unsquared.end(1);
  for (int64_t i = 0; i < 2; ++i) {
    CHECK(importance(squared, i) == Approx(2.0).epsilon(1e-6));
    CHECK(importance(unsquared, i) == Approx(0.94280904).epsilon(1e-6));
  }
}

TEST_CASE("the penalty is lambda Omega (theta - anchor)^2, without a half") {
  Driven mas = toy({{"lambda", "3"}});
  mas.end(1);
  CHECK(mas.penalty() == 0);
  mas.set({1, -1.5F});
  Tensor gradient;
  CHECK(mas.penalty(&gradient) == Approx(3 * 2 * (0.25 + 1)));
  CHECK(gradient[0].item<double>() == Approx(2 * 3 * 2 * 0.5));
  CHECK(gradient[1].item<double>() == Approx(2 * 3 * 2 * -1.0));
}

TEST_CASE("over tasks importances are added, or averaged with a share of the old") {
  // At w = (1, -1) the squared norm's gradient is twice that at (.5, -.5): 4 after 2.
  for (const auto& [combine, expected] :
       {std::pair<std::string, double>{"sum", 2 + 4}, {"average", 0.25 * 2 + 0.75 * 4}}) {
    CAPTURE(combine);
    Driven mas = toy(combine == "sum" ? OptionMap{{"combine", combine}}
                                      : OptionMap{{"combine", combine}, {"alpha", "0.25"}});
    mas.end(1);
    CHECK(importance(mas, 0) == Approx(2));
    mas.set({1, -1});
    mas.end(2);
    CHECK(importance(mas, 0) == Approx(expected));
    CHECK(mas.penalty() == 0);  // the anchor moved on
    mas.set({0, 0});
    mas.end(4);  // nothing comes after the last task
    CHECK(importance(mas, 0) == Approx(expected));
  }
}

TEST_CASE("one pass gives the importance of one pass a row, for either norm, masked or not") {
  for (const std::string norm : {"squared", "unsquared"}) {
    for (const bool masked : {false, true}) {
      CAPTURE(norm, masked);
      const RowsPtr rows = random_rows(3, 30, 6, {0, 1}, masked, 4);
      Driven fast{mlp(6, 8, 2, 4), same_rows_stream(rows, 4), "mas", {{"norm", norm}}};
      Driven slow{std::make_unique<Scaled>(mlp(6, 8, 2, 4)), fast.stream, "mas", {{"norm", norm}}};
      fast.end_on(1, *rows, 7);
      slow.end_on(1, *rows, 7);
      const Tensor found = fast.twin("mas.importance");
      const Tensor expected = slow.twin("mas.importance").narrow(0, 0, found.numel());
      CHECK(found.max().item<double>() > 0.1);
      CHECK((found - expected).abs().max().item<double>() < 1e-6 * found.max().item<double>());
    }
  }
}

TEST_CASE("units that no row may take have no importance") {
  const RowsPtr rows = random_rows(3, 30, 6, {0, 1}, true, 4);
  Driven mas{mlp(6, 8, 1, 4), same_rows_stream(rows, 4), "mas", {}};
  mas.end(1);
  const ArenaRange& head = mas.arena.ranges()[2];
  REQUIRE(head.name == "classifier.weight");
  const Tensor weights = mas.arena.slice(mas.twin("mas.importance"), head);
  CHECK(weights.narrow(0, 2, 2).abs().max().item<double>() == 0);
  CHECK(weights.narrow(0, 0, 2).max().item<double>() > 0);
}

TEST_CASE("the norm of a row with several positions is over all of them") {
  // Row (3, 4): f = (1.5, -1.5; 2, -2). ||f||^2 = .5 (9 + 16) w-wise: its gradient in w1 is
  // 2 (1.5 * 3 + 2 * 4) = 25, and of the norm itself half that over sqrt(12.5).
  const RowsPtr rows = std::make_shared<PairRows>(0, std::vector<std::vector<float>>{{3, 4}},
                                                  std::vector<int64_t>{0});
  for (const auto& [norm, expected] :
       {std::pair<std::string, double>{"squared", 25}, {"unsquared", 12.5 / std::sqrt(12.5)}}) {
    CAPTURE(norm);
    Driven mas{
        std::make_unique<TwoPositions>(), same_rows_stream(rows, 2), "mas", {{"norm", norm}}};
    mas.end(1);
    CHECK(importance(mas, 0) == Approx(expected));
    CHECK(importance(mas, 1) == Approx(expected));
  }
}

TEST_CASE("logits of 0 give an importance of 0 for either norm") {
  for (const std::string norm : {"squared", "unsquared"}) {
    Driven mas = toy({{"norm", norm}});
    mas.set({0, 0});
    mas.end(1);
    CHECK(importance(mas, 0) == 0);
  }
}

TEST_CASE("the importance can be taken on fewer rows, the same ones in every run") {
  Driven all = toy({}), two = toy({{"rows", "2"}}), again = toy({{"rows", "2"}});
  for (Driven* mas : {&all, &two, &again}) mas->end(1);
  CHECK(importance(two, 0) == importance(again, 0));
  CHECK(importance(two, 0) != importance(all, 0));
  CHECK_THROWS_WITH(toy({{"rows", "4"}}),
                    "mas: rows = 4, but task 1 ('task1') of stream 'same' has 3 training rows; ask "
                    "for at most that, or 0 for all");
}
