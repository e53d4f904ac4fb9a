// EWC's penalty: golden values by hand, the collapse, online decay.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "tests/regulariser_case.h"
#include "tests/tensors.h"
#include "tests/text_case.h"

using namespace lethe;

namespace {

/// Three tasks.
Driven toy(const OptionMap& options) {
  return {toy_model(), same_rows_stream(toy_rows(), 2, 3), "ewc", options};
}

/// Two weights whose importances are chosen; three tasks.
Driven two_weights(const OptionMap& options) {
  return {std::make_unique<EvenOdds>(2), same_rows_stream(random_rows(1, 4, 2, {0, 1}), 2, 3),
          "ewc", options};
}

}  // namespace

TEST_CASE("EWC's penalty and gradient have the golden values") {
  Driven ewc = toy({{"lambda", "100"}});
  ewc.end(1);
  CHECK(ewc.penalty() == 0);
  ewc.set({0.8F, -0.1F});
  Tensor gradient;
  CHECK(ewc.penalty(&gradient) == Approx(3.38832587).epsilon(1e-6));
  CHECK(gradient[0].item<double>() == Approx(8.13198208).epsilon(1e-6));
  CHECK(gradient[1].item<double>() == Approx(10.84264277).epsilon(1e-6));
}

TEST_CASE("the gradient of EWC's penalty equals finite differences") {
  Driven ewc = toy({{"lambda", "10"}});
  ewc.end(1);
  ewc.set({1, 0.25F});
  ewc.end(2);
  ewc.set({0.25F, -1});
  Tensor gradient;
  ewc.penalty(&gradient);
  const float h = 0.015625F;
  ewc.set({0.25F + h, -1});
  const double above = ewc.penalty();
  ewc.set({0.25F - h, -1});
  const double below = ewc.penalty();
  CHECK(gradient[0].item<double>() == Approx((above - below) / (2 * h)).epsilon(1e-5));
}

TEST_CASE("offline EWC keeps every task's own anchor: 3.45 and not 4.95") {
  // F1 = (1, 2), F2 = (.5, .1), anchors (0, 0) and (1, -1), theta = (2, 1), lambda = 1. What the
  // collapsed form leaves out is 0.21428571.
  Driven offline = two_weights({{"lambda", "1"}});
  Driven online = two_weights({{"lambda", "1"}, {"mode", "online"}});
  for (Driven* ewc : {&offline, &online}) {
    ewc->end_on(1, row_with_fisher({1, 2}));
    ewc->set({1, -1});
    ewc->end_on(2, row_with_fisher({0.5, 0.1}));
    ewc->set({2, 1});
    CHECK(ewc->twin("ewc.importance")[0].item<double>() == Approx(1.5).epsilon(1e-6));
    CHECK(ewc->twin("ewc.importance")[1].item<double>() == Approx(2.1).epsilon(1e-6));
  }
  CHECK(offline.twin("ewc.anchor")[0].item<double>() == Approx(0.33333333).epsilon(1e-6));
  CHECK(offline.twin("ewc.anchor")[1].item<double>() == Approx(-0.04761905).epsilon(1e-6));
  CHECK(offline.penalty() == Approx(3.23571429).epsilon(1e-6));
  CHECK(offline.penalty() + 0.21428571 == Approx(3.45).epsilon(1e-6));
  CHECK(online.penalty() == Approx(4.95).epsilon(1e-6));
}

TEST_CASE("the collapsed penalty differs from the separate ones by a constant") {
  Driven ewc = toy({{"lambda", "2"}});
  const Tensor importance = ewc.twin("ewc.importance");
  const std::vector<std::pair<float, float>> anchors = {{0.5F, -0.5F}, {1, 0}};
  std::vector<Tensor> fishers;
  for (size_t t = 0; t < anchors.size(); ++t) {
    ewc.set({anchors[t].first, anchors[t].second});
    fishers.push_back(fisher_diagonal(ewc.task_end(), {"exact", 0}));
    ewc.end(static_cast<int64_t>(t) + 1);
  }
  CHECK(largest_difference(importance, fishers[0] + fishers[1]) < 1e-7);
  std::vector<double> constants;
  for (const auto& [a, b] : {std::pair{2.0F, 1.0F}, {-1.0F, 0.5F}, {0.0F, 3.0F}}) {
    ewc.set({a, b});
    double separate = 0;
    for (size_t t = 0; t < anchors.size(); ++t) {
      separate += fishers[t][0].item<double>() * std::pow(a - anchors[t].first, 2) +
                  fishers[t][1].item<double>() * std::pow(b - anchors[t].second, 2);
    }
    constants.push_back(separate - ewc.penalty());
  }
  CHECK(constants[0] > 0.01);
  CHECK(constants[1] == Approx(constants[0]).epsilon(1e-5));
  CHECK(constants[2] == Approx(constants[0]).epsilon(1e-5));
}

TEST_CASE("online EWC has the golden importance, and gamma once more where asked for") {
  // F1 = (1, 2), F2 = (.5, .1), gamma = .9: (1.4, 1.9), and in the loss (1.26, 1.71).
  for (const auto& [again, a, b] : {std::tuple{"false", 1.4, 1.9}, {"true", 1.26, 1.71}}) {
    CAPTURE(again);
    Driven ewc = two_weights(
        {{"lambda", "2"}, {"mode", "online"}, {"gamma", "0.9"}, {"decay_in_loss", again}});
    ewc.end_on(1, row_with_fisher({1, 2}));
    ewc.set({1, -1});
    ewc.end_on(2, row_with_fisher({0.5, 0.1}));
    CHECK(ewc.twin("ewc.importance")[0].item<double>() == Approx(1.4).epsilon(1e-6));
    CHECK(ewc.twin("ewc.importance")[1].item<double>() == Approx(1.9).epsilon(1e-6));
    ewc.set({2, -1});
    CHECK(ewc.penalty() == Approx(a).epsilon(1e-6));
    ewc.set({1, 0});
    CHECK(ewc.penalty() == Approx(b).epsilon(1e-6));
  }
}

TEST_CASE("online EWC that averages mixes the golden importances, the first too") {
  Driven ewc =
      two_weights({{"lambda", "2"}, {"mode", "online"}, {"gamma", "0.25"}, {"combine", "average"}});
  ewc.end_on(1, row_with_fisher({1, 2}));
  CHECK(ewc.twin("ewc.importance")[1].item<double>() == Approx(1.5).epsilon(1e-6));
  ewc.end_on(2, row_with_fisher({0.5, 0.1}));
  CHECK(ewc.twin("ewc.importance")[0].item<double>() == Approx(0.5625).epsilon(1e-6));
  CHECK(ewc.twin("ewc.importance")[1].item<double>() == Approx(0.45).epsilon(1e-6));
  CHECK_THROWS_WITH(
      two_weights({{"mode", "online"}, {"combine", "average"}}),
      "ewc: combine = average with gamma = 1 never counts a new task; set gamma below 1");
}

TEST_CASE("a clamped Fisher is bounded task by task") {
  Driven ewc = two_weights({{"lambda", "2"}, {"clamp", "1.5"}});
  ewc.end_on(1, row_with_fisher({1, 2}));
  CHECK(ewc.twin("ewc.importance")[0].item<double>() == Approx(1).epsilon(1e-6));
  CHECK(ewc.twin("ewc.importance")[1].item<double>() == Approx(1.5).epsilon(1e-6));
  ewc.end_on(2, row_with_fisher({1, 2}));
  CHECK(ewc.twin("ewc.importance")[1].item<double>() == Approx(3).epsilon(1e-6));
}

TEST_CASE("a free head has no importance, and the rest as much as beside a held one") {
  const auto importance = [](const std::string& heads) {
    Driven ewc{mlp(6, 8, 1, 4),
               same_rows_stream(random_rows(5, 24, 6, {0, 1, 2, 3}), 4),
               "ewc",
               {{"heads", heads}}};
    ewc.end(1);
    std::map<std::string, Tensor> by_name;
    for (const ArenaRange& range : ewc.arena.ranges()) {
      by_name[range.name] = ewc.arena.slice(ewc.twin("ewc.importance"), range).clone();
    }
    return by_name;
  };
  const auto held = importance("held"), free = importance("free");
  REQUIRE(held.size() == 4);
  for (const auto& [name, values] : held) {
    CAPTURE(name);
    CHECK(values.max().item<double>() > 0);
    const bool head = name.starts_with("classifier");
    CHECK(free.at(name).equal(head ? at::zeros_like(values) : values));
  }
}

TEST_CASE("a free head is refused where the model's outputs are its token table's") {
  const auto made = [](const std::string& family) {
    Driven(letters_decoder(family), uneven_stream(4), "ewc", {{"heads", "free"}});
  };
  CHECK_THROWS_WITH(made("gpt2"),
                    "ewc: heads = free, but the model has no head of its own: its outputs are the "
                    "token table's; leave heads out");
  CHECK_NOTHROW(made("llama"));
}

TEST_CASE("online EWC decays the importance and anchors at the latest values") {
  Driven ewc = toy({{"lambda", "2"}, {"mode", "online"}, {"gamma", "0.5"}});
  const Tensor first = fisher_diagonal(ewc.task_end(), {"exact", 0});
  ewc.end(1);
  ewc.set({1, 0});
  const Tensor second = fisher_diagonal(ewc.task_end(), {"exact", 0});
  ewc.end(2);
  CHECK(ewc.penalty() == 0);
  CHECK(largest_difference(ewc.twin("ewc.importance"), first * 0.5 + second) < 1e-7);
  ewc.end(3);  // nothing comes after the last task
  CHECK(largest_difference(ewc.twin("ewc.importance"), first * 0.5 + second) < 1e-7);
}
