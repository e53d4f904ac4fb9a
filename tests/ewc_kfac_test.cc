// Kronecker-factored EWC against explicit Kronecker products, and what it refuses.
#include "tests/catch.h"
// After Catch.
#include "core/fisher.h"
#include "tests/regulariser_case.h"

using namespace lethe;

namespace {

constexpr int64_t kIn = 3, kWidth = 4, kClasses = 3;

Driven kfac(const OptionMap& options, int64_t rows = 12, bool masked = false) {
  return {mlp(kIn, kWidth, 1, kClasses),
          same_rows_stream(random_rows(5, rows, kIn, {0, 1, 2}, masked, kClasses), kClasses),
          "ewc-kfac", options};
}

/// [W b] of layer `i`, out first, as one vector.
Tensor weights(Driven& driven, size_t i) {
  Linear& layer = *driven.model->linears()[i];
  return at::cat({layer.base().dense().detach(), layer.bias().detach().unsqueeze(1)}, 1)
      .to(at::kDouble);
}

/// G x A of layer `i` from the definition: one row and class after another.
Tensor curvature(Driven& driven, size_t i) {
  const Rows& rows = *driven.stream.tasks[0].train;
  Tensor a_sum, g_sum;
  for (int64_t row = 0; row < rows.size(); ++row) {
    const Batch batch = rows.batch({row});
    const Capture capture(*driven.model, batch);
    const Tensor input = capture.sites()[i].input.to(at::kDouble);
    const Tensor a = at::cat({input, at::ones({1, 1}, at::kDouble)}, 1);
    a_sum = a_sum.defined() ? a_sum + a.t().mm(a) : a.t().mm(a);
    const Tensor p = masked_logits(capture.logits().detach(), batch).softmax(1);
    for (int64_t k = 0; k < kClasses; ++k) {
      const Tensor g =
          capture.output_gradients(p - at::one_hot(at::tensor({k}), kClasses))[i].to(at::kDouble);
      const Tensor term = g.t().mm(g) * p[0][k].item<double>();
      g_sum = g_sum.defined() ? g_sum + term : term;
    }
  }
  const auto n = static_cast<double>(rows.size());
  return (g_sum / n).kron(a_sum / n);
}

void shift(Driven& driven, uint64_t seed, double size) {
  const at::NoGradGuard no_grad;
  Random random(seed);
  for (const ArenaRange& range : driven.arena.ranges()) {
    for (int64_t i = range.offset; i < range.offset + range.size; ++i) {
      driven.arena.values()[i] += static_cast<float>(size * random.normal());
    }
  }
}

}  // namespace

TEST_CASE("the penalty and its gradient are those of the explicit Kronecker product") {
  for (const bool masked : {false, true}) {
    CAPTURE(masked);
    Driven driven = kfac({{"lambda", "5"}}, 12, masked);
    std::vector<Tensor> anchors, curvatures;
    for (size_t i = 0; i < 2; ++i) {
      anchors.push_back(weights(driven, i));
      curvatures.push_back(curvature(driven, i));
    }
    driven.end(1);
    CHECK(driven.penalty() == 0);
    shift(driven, 2, 0.5);
    Tensor gradient;
    const double found = driven.penalty(&gradient);
    double expected = 0;
    for (size_t i = 0; i < 2; ++i) {
      const Tensor moved = (weights(driven, i) - anchors[i]).reshape({-1});
      const Tensor pulled = curvatures[i].mv(moved);
      expected += 2.5 * moved.dot(pulled).item<double>();
      const int64_t out = anchors[i].size(0), in = anchors[i].size(1) - 1;
      const Tensor matrix = pulled.view({out, in + 1}) * 5;
      const ArenaRange& weight = driven.arena.ranges()[2 * i];
      const ArenaRange& bias = driven.arena.ranges()[2 * i + 1];
      const double largest = matrix.abs().max().item<double>();
      const auto near = [&](const Tensor& part, const Tensor& wanted) {
        return part.to(at::kDouble).allclose(wanted, 1e-5, 1e-5 * largest);
      };
      CHECK(near(driven.arena.slice(gradient, weight), matrix.narrow(1, 0, in)));
      CHECK(near(driven.arena.slice(gradient, bias), matrix.select(1, in)));
    }
    CHECK(expected > 1e-3);
    CHECK(found == Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("inputs that are 0 in every row are left out of the factor and change nothing") {
  Driven driven = kfac({{"lambda", "5"}});
  const Tensor first = driven.model->linears()[0]->base().dense();
  // The second layer's inputs 1 and 3 are cut off: its weights to them never matter, nor do theirs.
  const at::NoGradGuard no_grad;
  for (const int64_t unit : {1, 3}) {
    first.select(0, unit).zero_();
    driven.model->linears()[0]->bias()[unit] = -1;
  }
  const Tensor anchor = weights(driven, 1);
  const Tensor expected = curvature(driven, 1);
  driven.end(1);
  std::map<std::string, Tensor> saved;
  Archive archive(Archive::Direction::write, saved);
  driven.strategy->state(archive);
  CHECK(saved.at("1.inputs").equal(at::tensor({0, 2, 4}, at::kLong)));
  CHECK(saved.at("1.a").size(0) == 3);
  CHECK(saved.at("0.a").size(0) == kIn + 1);
  const ArenaRange& weight = driven.arena.ranges()[2];
  const Tensor moves = at::tensor({.1, -.4, .3, .7, -.2, .5, .9, -.6, .8, .25, -.35, .45},
                                  at::TensorOptions(at::kFloat))
                           .view({kClasses, kWidth});
  driven.arena.slice(driven.arena.values(), weight).add_(moves);
  Tensor gradient;
  const double found = driven.penalty(&gradient);
  const Tensor moved = (weights(driven, 1) - anchor).reshape({-1});
  const Tensor pulled = expected.mv(moved);
  CHECK(found == Approx(2.5 * moved.dot(pulled).item<double>()).epsilon(1e-5));
  CHECK(found > 1e-3);
  const Tensor matrix = pulled.view({kClasses, kWidth + 1}).narrow(1, 0, kWidth) * 5;
  const Tensor part = driven.arena.slice(gradient, weight).to(at::kDouble);
  CHECK(part.allclose(matrix, 1e-5, 1e-5 * matrix.abs().max().item<double>()));
  CHECK(part.select(1, 1).abs().max().item<double>() == 0);
}

TEST_CASE("for one row and one label the diagonal is the Fisher of ewc") {
  const RowsPtr row = random_rows(8, 1, kIn, {1});
  Driven driven{mlp(kIn, kWidth, 1, kClasses),
                same_rows_stream(row, kClasses),
                "ewc-kfac",
                {{"lambda", "2"}, {"labels", "empirical"}}};
  const Tensor fisher =
      fisher_diagonal({1, driven.stream, *row, *driven.model, driven.arena, make_generator(1), 8},
                      {"empirical", 0, "n"});
  driven.end(1);
  const Tensor anchor = driven.arena.values().clone();
  const at::NoGradGuard no_grad;
  for (const ArenaRange& range : driven.arena.ranges()) {
    for (int64_t i = range.offset; i < range.offset + range.size; ++i) {
      driven.arena.values().copy_(anchor);
      driven.arena.values()[i] += 0.5;
      const double moved = driven.arena.values()[i].item<double>() - anchor[i].item<double>();
      CHECK(driven.penalty() ==
            Approx(fisher[i].item<double>() * moved * moved).epsilon(1e-5).margin(1e-9));
    }
  }
}

TEST_CASE("offline keeps each task's own anchor, online centres all at the latest") {
  Driven offline = kfac({{"mode", "offline"}}), online = kfac({}),
         fading = kfac({{"gamma", "0.5"}});
  double first_at_own = 0, first_at_latest = 0, second = 0;
  {
    // The two tasks' penalties by themselves, at the probe.
    Driven one = kfac({}), two = kfac({});
    one.end(1);
    shift(one, 3, 0.3);
    shift(two, 3, 0.3);
    two.end(1);
    const Tensor second_anchor = one.arena.values().clone();
    shift(one, 4, 0.3);
    shift(two, 4, 0.3);
    first_at_own = one.penalty();
    second = two.penalty();
    Driven moved = kfac({});
    moved.end(1);
    const at::NoGradGuard no_grad;
    const Tensor start = moved.arena.values().clone();
    moved.arena.values().add_(one.arena.values() - second_anchor);
    first_at_latest = moved.penalty();
  }
  for (Driven* driven : {&offline, &online, &fading}) {
    driven->end(1);
    shift(*driven, 3, 0.3);
    driven->end(2);
    shift(*driven, 4, 0.3);
  }
  CHECK(offline.penalty() == Approx(first_at_own + second).epsilon(1e-5));
  CHECK(online.penalty() == Approx(first_at_latest + second).epsilon(1e-5));
  CHECK(fading.penalty() == Approx(0.5 * first_at_latest + second).epsilon(1e-5));
}

TEST_CASE("a frozen layer has no factors and the others are held") {
  Driven driven = kfac({});
  driven.model->seams()[0]->set_trainable(false);
  driven.adapt(1);
  driven.end(1);
  shift(driven, 3, 0.3);
  CHECK(driven.penalty() > 0);
  std::map<std::string, Tensor> saved;
  Archive archive(Archive::Direction::write, saved);
  driven.strategy->state(archive);
  CHECK(saved.at("count")[0].item<int64_t>() == 1);
  CHECK(saved.at("0.layer")[0].item<int64_t>() == 1);
}

TEST_CASE("a layer whose bias is frozen has factors without it") {
  Driven driven = kfac({});
  const_cast<Tensor&>(driven.model->linears()[0]->bias()).set_requires_grad(false);
  driven.adapt(1);
  driven.end(1);
  std::map<std::string, Tensor> saved;
  Archive archive(Archive::Direction::write, saved);
  driven.strategy->state(archive);
  CHECK(saved.at("0.a").size(0) == kIn);
  CHECK(saved.at("1.a").size(0) == kWidth + 1);
  shift(driven, 3, 0.3);
  CHECK(driven.penalty() > 0);
}

TEST_CASE("the path of synaptic intelligence does not see the factored penalty") {
  // Both at c = 0, so that only the path tells them apart: with and without the K-FAC gradient the
  // displacement differs, but the gradient in the path must be the task's.
  Driven driven = kfac({{"lambda", "50"}});
  driven.end(1);
  shift(driven, 3, 0.3);
  const Batch batch = driven.stream.tasks[0].train->batch({0, 1, 2, 3});
  const Tensor before = driven.arena.values().clone();
  Tensor expected = at::zeros_like(before);
  gradient_of(*driven.model, driven.arena, batch, expected);
  const Twin path = driven.arena.twin("path");
  driven.arena.gradient().copy_(expected);
  kernels::Update step;
  step.optimizer = kernels::Optimizer::sgd;
  step.n = driven.arena.size();
  step.value = driven.arena.values().data_ptr<float>();
  step.gradient = driven.arena.gradient().data_ptr<float>();
  step.learning_rate = 0.01;
  Update update(driven.arena, step, [](const Batch&, Tensor) {});
  driven.strategy->contribute(update);
  update.add_path(path, false);
  CHECK(update.gradient().equal(expected));
  update_on(at::kCPU, step);
  const Tensor moved = driven.arena.values() - before;
  CHECK((moved + expected * 0.01).abs().max().item<double>() > 1e-3);  // the penalty pulls
  CHECK((path.tensor() + expected * moved).abs().max().item<double>() < 1e-7);
}

TEST_CASE("what has no whole Linear layers of one vector a row is refused before training") {
  Driven driven = kfac({});
  driven.model->linears()[0]->base().dense().set_requires_grad(false);
  CHECK_THROWS_WITH(driven.adapt(1),
                    "ewc-kfac needs Linear layers that are trained whole, but of 'fc1' only "
                    "'fc1.bias' is trained; use ewc here");
  TaskStream text = driven.stream;
  text.name = "instructions";
  text.classes = 0;
  Setup setup{*driven.model, driven.arena, text, make_generator(1), {}};
  CHECK_THROWS_WITH(
      driven.strategy->prepare(setup),
      "ewc-kfac needs classes, as its factors are those of layers that see one vector "
      "a row, but stream 'instructions' gives text; use ewc, or a stream of images");
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  const auto model = mlp(6, 8, 1, 4);
  Method method = method_of("lora+ewc-kfac");
  const TrainRequest request = small_request(*model, stream, method);
  CHECK_THROWS_WITH(train(request),
                    "ewc-kfac needs Linear layers that are trained whole, but 'fc1' has an "
                    "adapter; use ewc here");
}

TEST_CASE("a name with a hyphen is one method, with options and beside others") {
  const MethodSpec spec = parse_method(builtin_methods(), "distill+ewc-kfac+ewc",
                                       {{"ewc-kfac.lambda", "3"}, {"ewc.lambda", "4"}});
  REQUIRE(spec.parts.size() == 3);
  CHECK(spec.parts[0].name == "ewc");
  CHECK(spec.parts[0].options.at("lambda") == "4");
  CHECK(spec.parts[1].name == "ewc-kfac");
  CHECK(spec.parts[1].options.at("lambda") == "3");
  CHECK_THROWS_WITH(
      parse_method(builtin_methods(), "ewc-kfac", {{"lamda", "1"}}),
      "unknown option 'lamda' of ewc-kfac; known options: gamma, labels, lambda, mode, rows");
}
