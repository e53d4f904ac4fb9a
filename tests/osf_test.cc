// OSF: what lies along the top singular directions stays, under any optimizer; the rest is trained.
#include "tests/catch.h"
// After Catch.
#include "core/kernels/update.h"
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

const OptionMap kHalf = {{"targets", "fc1"}};

/// The top k singular directions of a weight: outputs (out, k) and inputs (in, k).
std::pair<Tensor, Tensor> top(const Tensor& weight, int64_t k) {
  const auto [u, s, v] = weight.detach().svd();
  return {u.narrow(1, 0, k).clone(), v.narrow(1, 0, k).clone()};
}

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

/// fc1's weight with its parts merged.
Tensor merged_weight(Model& model) {
  model.linears()[0]->merge_adapters();
  return model.linears()[0]->base().dense().detach().clone();
}

Tensor trained_weight(int64_t tasks, const std::string& optimizer) {
  const auto model = mlp(6, 8, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, tasks);
  stream.classes = 4;
  Method made = method_of("osf", kHalf);
  auto request = small_request(*model, stream, made);
  request.options.steps = 20;
  request.options.optimizer = optimizer;
  request.options.weight_decay = 0.1;
  train(request);
  return merged_weight(*model);
}

}  // namespace

TEST_CASE("osf splits a weight without changing the logits beyond rounding") {
  for (const std::string preserved : {"0", "0.5", "0.9"}) {
    CAPTURE(preserved);
    Adapted adapted("osf", {{"preserved", preserved}});
    CHECK(adapted.prepared.equal(adapted.before));
    CHECK(largest_difference(adapted.forward(), adapted.before) < 1e-5);
  }
}

TEST_CASE("osf trains the low singular triplets") {
  Adapted adapted("osf", {});
  // fc1 (8, 6): 6 directions, 3 kept; fc2 (8, 8): 8, 4 kept.
  CHECK(adapted.model->count(true) == 3 * (8 + 6 + 1) + 4 * (8 + 8 + 1));
  CHECK(trained(*adapted.model) == std::vector<std::string>{"fc1.osf_U.task1", "fc1.osf_S.task1",
                                                            "fc1.osf_V.task1", "fc2.osf_U.task1",
                                                            "fc2.osf_S.task1", "fc2.osf_V.task1"});
}

TEST_CASE("osf projects the gradients of U and V off the frozen directions") {
  Adapted adapted("osf", kHalf);
  const auto [u_high, v_high] = top(adapted.model->linears()[0]->base().dense(), 3);
  adapted.arena.gradient().normal_(0, 1, make_generator(4));
  const Tensor u = adapted.parameter("fc1.osf_U.task1"), v = adapted.parameter("fc1.osf_V.task1");
  const Tensor u_before = u.grad().clone(), v_before = v.grad().clone();
  const Tensor s_before = adapted.parameter("fc1.osf_S.task1").grad().clone();
  kernels::Update step;
  Update update(adapted.arena, step, {});
  adapted.strategy->contribute(update);
  const Tensor u_hand = u_before - at::matmul(u_high, at::matmul(u_high.t(), u_before));
  const Tensor v_hand = v_before - at::matmul(at::matmul(v_before, v_high), v_high.t());
  CHECK(largest_difference(u.grad(), u_hand) < 1e-5);
  CHECK(largest_difference(v.grad(), v_hand) < 1e-5);
  CHECK(largest(at::matmul(u_high.t(), u.grad())) < 1e-5);
  CHECK(largest(at::matmul(v.grad(), v_high)) < 1e-5);
  CHECK(largest(u_before - u.grad()) > 0.1);
  CHECK(adapted.parameter("fc1.osf_S.task1").grad().equal(s_before));
}

TEST_CASE("whatever the optimizer, the frozen directions keep what they do") {
  const Tensor before = mlp(6, 8, 2, 4)->linears()[0]->base().dense().detach();
  const auto [u_high, v_high] = top(before, 3);
  for (const std::string optimizer : {"adamw", "sgd"}) {
    CAPTURE(optimizer);
    const Tensor change = trained_weight(1, optimizer) - before;
    CHECK(largest(change) > 1e-3);
    CHECK(largest(at::matmul(change, v_high)) < 1e-5);
    CHECK(largest(at::matmul(u_high.t(), change)) < 1e-5);
  }
}

TEST_CASE("the second task keeps the top directions of what the first one left") {
  const Tensor one = trained_weight(1, "adamw"), two = trained_weight(2, "adamw");
  const auto [u_high, v_high] = top(one, 3);
  CHECK(largest(two - one) > 1e-3);
  CHECK(largest(at::matmul(two - one, v_high)) < 1e-5);
  CHECK(largest(at::matmul(u_high.t(), two - one)) < 1e-5);
}

TEST_CASE("a new task's parts have names of their own and keep the logits") {
  Adapted adapted("osf", {});
  adapted.move(0.05);
  adapted.strategy->after_step(
      {1, 0, adapted.batch, adapted.before, {}, {}, *adapted.model, adapted.arena});
  const Tensor first = adapted.forward();
  CHECK(largest_difference(first, adapted.before) > 1e-2);
  adapted.adapt(2);
  CHECK(largest_difference(adapted.forward(), first) < 1e-5);
  CHECK(trained(*adapted.model)[0] == "fc1.osf_U.task2");
  CHECK(adapted.model->linears()[0]->adapters().size() == 1);
  adapted.move(0.05);
  const Tensor second = adapted.forward();
  adapted.merge();
  CHECK(largest_difference(adapted.forward(), second) < 1e-5);
}

TEST_CASE("osf leaves what is not its target") {
  for (const auto& [name, change] : base_changes("osf", kHalf)) {
    CAPTURE(name);
    if (name != "fc1.weight") CHECK(change == 0);
  }
}

TEST_CASE("osf refuses a quantised base, a seam named twice and names that match nothing") {
  auto model = mlp(6, 8, 2, 4);
  model->linears()[1]->set_format("nf4");
  CHECK_THROWS_WITH(Adapted("osf", {}, std::move(model)),
                    "osf: the base of 'fc2' is nf4, but osf rewrites it after every task; set the "
                    "model's base = float, or choose qlora");
  CHECK_THROWS_WITH(Adapted("osf", {{"modules_to_save", "fc1"}}),
                    "osf: 'fc1' is both a target and one of modules_to_save 'fc1'; name it in one "
                    "of them");
  CHECK_THROWS_WITH(
      Adapted("osf", {{"targets", "q_proj"}}),
      "osf: no Linear ends with one of 'q_proj'; the model has: fc1, fc2, classifier");
}

TEST_CASE("osf goes on from a checkpoint of its second task, bit for bit") {
  const OptionMap options = {{"targets", "fc1"}};
  const std::string whole = digest_of("osf", options);
  CHECK(digest_of("osf", options, 1) == whole);
  CHECK(digest_of("osf", options, 2) == whole);
}
