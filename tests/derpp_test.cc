// Dark experience replay: both terms by hand, the kept logits, and what it refuses.
#include "tests/catch.h"
// After Catch.
#include <cmath>

#include "tests/replay_case.h"
#include "tests/token_case.h"

using namespace lethe;

namespace {

/// Logits (w0 x, w1 x).
void set(Rehearsal& rehearsal, float a, float b) {
  const at::NoGradGuard no_grad;
  rehearsal.arena.values()[0] = a;
  rehearsal.arena.values()[1] = b;
}

TaskStream two_rows() {
  return given_stream({{{{1}, {2}}, {0, 1}, {0, 1}}, {{{3}, {4}}, {0, 1}, {0, 1}}}, 2);
}

/// One row x = 2, label 1 was trained on at w = (0.5, -0.5); now w = (1, 0.25).
Rehearsal one_kept(const OptionMap& options) {
  OptionMap all = {{"budget", "1"}};
  for (const auto& [key, value] : options) all[key] = value;
  Rehearsal rehearsal(zero_layer(2, 1), two_rows(), "derpp", all);
  rehearsal.begin(1);
  set(rehearsal, 0.5F, -0.5F);
  CHECK_FALSE(rehearsal.extra(1, rehearsal.stream.tasks[0].train->batch({1})).defined());
  set(rehearsal, 1, 0.25F);
  return rehearsal;
}

double next_extra(Rehearsal& rehearsal) {
  return rehearsal.extra(1, rehearsal.stream.tasks[0].train->batch({0})).item<double>();
}

// Logits then (1, -1), now (2, 0.5).
const double kSquares = (1.0 + 1.5 * 1.5) / 2, kEntropy = std::log1p(std::exp(2 - 0.5));

}  // namespace

TEST_CASE("the extra loss is the square of the logits' change and the labels' entropy") {
  auto both = one_kept({{"alpha", "0.3"}, {"beta", "0.5"}});
  CHECK(next_extra(both) == Approx(0.3 * kSquares + 0.5 * kEntropy).epsilon(1e-6));
  auto logits = one_kept({{"alpha", "2"}, {"beta", "0"}});
  CHECK(next_extra(logits) == Approx(2 * kSquares).epsilon(1e-6));
  auto labels = one_kept({{"alpha", "0"}, {"beta", "2"}});
  CHECK(next_extra(labels) == Approx(2 * kEntropy).epsilon(1e-6));
}

TEST_CASE("der is derpp without labels") {
  CHECK(parse_method(builtin_methods(), "der", {}).parts[0].options.at("beta") == "0");
  CHECK(parse_method(builtin_methods(), "der", {}).parts[0].name == "derpp");
}

TEST_CASE("the gradient reaches the new logits only") {
  auto der = one_kept({{"alpha", "1"}, {"beta", "0"}});
  const Tensor loss = der.extra(1, der.stream.tasks[0].train->batch({0}));
  const Tensor gradient =
      torch::autograd::grad({loss}, {der.arena.ranges()[0].parameter})[0].view({-1});
  // d/dw of the mean of (w x - z)^2 over two units: x (w x - z).
  CHECK(gradient[0].item<double>() == Approx(2 * 1.0));
  CHECK(gradient[1].item<double>() == Approx(2 * 1.5));
}

TEST_CASE("kept logits are those of the forward pass that offered the row, not later ones") {
  Rehearsal der(zero_layer(2, 1), two_rows(), "derpp",
                {{"budget", "2"}, {"alpha", "1"}, {"beta", "0"}});
  der.begin(1);
  const auto row = [&](int64_t i) { return der.stream.tasks[0].train->batch({i}); };
  set(der, 1, 0);
  der.extra(1, row(0));  // x = 1: keeps (1, 0)
  set(der, 0, 1);
  // Only x = 1 is there: (0, 1) against (1, 0). Then x = 2 is kept with (0, 2).
  CHECK(der.extra(1, row(1)).item<double>() == Approx(1));
  set(der, 0, 0);
  // (1, 0) and (0, 2) against zeros: (1 + 4) / 4.
  CHECK(der.extra(1, row(1)).item<double>() == Approx(1.25));
}

TEST_CASE("a slot that several rows of a batch take has the logits of the row that stays") {
  const TaskStream stream = plain_stream(2, 40);
  Rehearsal der(zero_layer(4, 1), stream, "derpp",
                {{"budget", "3"}, {"alpha", "1"}, {"beta", "0"}});
  {
    const at::NoGradGuard no_grad;
    der.arena.values().narrow(0, 0, 4).copy_(at::tensor({1.0F, -2.0F, 3.0F, 0.5F}));
  }
  der.begin(1);
  for (int64_t from = 0; from < 40; from += 10) {
    std::vector<int64_t> rows;
    for (int64_t i = from; i < from + 10; ++i) rows.push_back(i);
    const Tensor extra = der.extra(1, stream.tasks[0].train->batch(rows));
    // The weights stay, so that kept logits and new ones differ only where rows are confused.
    if (extra.defined()) CHECK(extra.item<double>() == 0);
  }
}

TEST_CASE("task-incremental logits are compared over the classes of the row's task") {
  const TaskStream stream =
      given_stream({{{{1}, {1}}, {0, 1}, {0, 1}, {0, 1}}, {{{1}}, {2}, {2, 3}, {2, 3}}}, 4,
                   Scenario::task_incremental);
  Rehearsal der(zero_layer(4, 1), stream, "derpp",
                {{"budget", "1"}, {"alpha", "1"}, {"beta", "0"}});
  der.begin(1);
  der.extra(1, stream.tasks[0].train->batch({0}));
  {
    const at::NoGradGuard no_grad;
    der.arena.values().narrow(0, 0, 4).copy_(at::tensor({1.0F, 2.0F, 50.0F, 60.0F}));
  }
  CHECK(der.extra(1, stream.tasks[0].train->batch({1})).item<double>() == Approx((1 + 4) / 2.0));
}

TEST_CASE("of text the logits of every predicted position are kept, row by row") {
  const TaskStream stream = token_stream(plan::Form::decoder, 2, 4, 6, 3);
  Rehearsal der(token_model(HfConfig::parse(token_config("gpt2"), "config.json")), stream, "derpp",
                {{"budget", "2"}, {"alpha", "1"}, {"beta", "0"}});
  der.begin(1);
  const Rows& rows = *stream.tasks[0].train;
  const auto logits = [&](int64_t row) { return der.model->forward(rows.batch({row})).detach(); };
  const auto shift = [&](double by) {
    const at::NoGradGuard no_grad;
    der.arena.values().mul_(by);
  };
  const auto square = [](const Tensor& now, const Tensor& then) {
    return (now - then).square().mean().item<double>();
  };
  const Tensor first = logits(3);
  CHECK(first.size(0) == 3);
  der.extra(1, rows.batch({3}));
  shift(1.5);
  const Tensor second = logits(1);
  const double change = square(logits(3), first);
  CHECK(change > 1e-3);
  CHECK(der.extra(1, rows.batch({1})).item<double>() == Approx(change).epsilon(1e-4));
  shift(0.5);
  const double both = (square(logits(3), first) + square(logits(1), second)) / 2;
  CHECK(der.extra(1, rows.batch({1})).item<double>() == Approx(both).epsilon(1e-4));
}

TEST_CASE("derpp refuses a budget larger than the data") {
  CHECK_THROWS_WITH(Rehearsal(zero_layer(2, 1), two_rows(), "derpp", {{"budget", "3"}}),
                    "derpp: a budget of 3 rows in total is larger than the data: the tasks before "
                    "the last of stream 'given' have 2 training rows; lower the budget to at most "
                    "2");
}

TEST_CASE("derpp's ids and logits are booked as method state") {
  install_memory_meter();
  const TaskStream stream = plain_stream(2, 8);
  const int64_t before = live_bytes(Category::method_state);
  {
    Rehearsal der(zero_layer(4, 1), stream, "derpp", {{"budget", "5"}});
    der.begin(1);
    der.extra(1, stream.tasks[0].train->batch({0, 1, 2}));
    CHECK(live_bytes(Category::method_state) - before == 5 * 16 + 3 * 4 * 4);
    der.extra(1, stream.tasks[0].train->batch({3, 4, 5, 6, 7}));
    CHECK(live_bytes(Category::method_state) - before == 5 * 16 + 5 * 4 * 4);
  }
  CHECK(live_bytes(Category::method_state) == before);
}
