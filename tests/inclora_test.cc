// IncLoRA: one adapter a task, all of them in the sum, and what importances know of a new one.
#include "tests/catch.h"
// After Catch.
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

const OptionMap kSmall = {{"rank", "2"}, {"targets", "fc1"}};
using Names = std::vector<std::string>;

double largest(const Arena& arena, const Twin& twin, const std::string& name) {
  for (const ArenaRange& range : arena.ranges()) {
    if (range.name == name) return arena.slice(twin.tensor(), range).abs().max().item<double>();
  }
  return -1;
}

}  // namespace

TEST_CASE("inclora is lora in the first task, bit for bit") {
  std::vector<std::vector<Tensor>> ends;
  for (const char* method : {"lora", "inclora"}) {
    const auto model = mlp(6, 8, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 1);
    Method made = method_of(method, {{"rank", "2"}, {"dropout", "0.2"}});
    train(small_request(*model, stream, made));
    ends.emplace_back();
    for (const Parameter& parameter : model->trainable()) ends.back().push_back(parameter.value);
  }
  REQUIRE(ends[0].size() == 4);
  REQUIRE(ends[1].size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(ends[0][i].equal(ends[1][i]));
}

TEST_CASE("a new task adds an adapter of its own name that keeps the logits") {
  Adapted adapted("inclora", kSmall);
  CHECK(adapted.prepared.equal(adapted.before));
  CHECK(trained(*adapted.model) == Names{"fc1.lora_A.task1.weight", "fc1.lora_B.task1.weight"});
  CHECK(adapted.model->count(true) == 2 * (6 + 8));
  adapted.move();
  const Tensor first = adapted.forward();
  adapted.adapt(2);
  CHECK(adapted.forward().equal(first));
  CHECK(trained(*adapted.model) == Names{"fc1.lora_A.task2.weight", "fc1.lora_B.task2.weight"});
  CHECK(adapted.model->count(true) == 2 * (6 + 8));
  CHECK(adapted.parameter("fc1.lora_A.earlier.weight").sizes() == at::IntArrayRef{2, 6});
  adapted.adapt(3);
  CHECK(adapted.parameter("fc1.lora_A.earlier.weight").sizes() == at::IntArrayRef{4, 6});
  CHECK(adapted.parameter("fc1.lora_B.earlier.weight").sizes() == at::IntArrayRef{8, 4});
  // The frozen products are summed in another order now.
  CHECK(largest_difference(adapted.forward(), first) < 1e-6);
}

TEST_CASE("adapting to the same task again changes nothing") {
  Adapted adapted("inclora", kSmall);
  adapted.adapt(2);
  const Tensor a = adapted.parameter("fc1.lora_A.task2.weight").clone();
  adapted.adapt(2);
  CHECK(adapted.parameter("fc1.lora_A.task2.weight").equal(a));
  CHECK(adapted.parameter("fc1.lora_A.earlier.weight").size(0) == 2);
}

TEST_CASE("all adapters are in the sum, and in the merged weight") {
  Adapted adapted("inclora", {{"rank", "2"}, {"targets", "fc1"}, {"alpha", "6"}});
  Linear& seam = *adapted.model->linears()[0];
  const Tensor x = adapted.batch.inputs;
  Tensor by_hand = at::linear(x, seam.base().dense(), seam.bias());
  for (int64_t task = 1; task <= 3; ++task) {
    if (task > 1) adapted.adapt(task);
    adapted.move(0.3);
    const std::string name = ".task" + std::to_string(task) + ".weight";
    by_hand = by_hand + at::linear(at::linear(x, adapted.parameter("fc1.lora_A" + name)),
                                   adapted.parameter("fc1.lora_B" + name)) *
                            3;
  }
  CHECK(largest_difference(seam.forward(x), by_hand) < 1e-5);
  CHECK(largest_difference(seam.forward(x), at::linear(x, seam.base().dense(), seam.bias())) > 0.1);
  const Tensor with = adapted.forward();
  adapted.merge();
  CHECK(largest_difference(adapted.forward(), with) < 1e-5);
}

TEST_CASE("training a later task leaves the base and the earlier adapter") {
  const auto trained_on = [](int64_t tasks) {
    auto model = mlp(6, 8, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    stream.tasks.resize(static_cast<size_t>(tasks));
    Method made = method_of("inclora", {{"rank", "2"}, {"targets", "fc1"}});
    train(small_request(*model, stream, made));
    std::map<std::string, Tensor> values;
    for (const Parameter& parameter : model->parameters()) values[parameter.name] = parameter.value;
    return values;
  };
  const auto one = trained_on(1), two = trained_on(2);
  CHECK(two.at("fc1.lora_A.earlier.weight").equal(one.at("fc1.lora_A.task1.weight")));
  CHECK(two.at("fc1.lora_B.earlier.weight").equal(one.at("fc1.lora_B.task1.weight")));
  CHECK(two.at("fc1.lora_B.earlier.weight").abs().max().item<double>() > 0);
  CHECK(two.at("fc1.lora_B.task2.weight").abs().max().item<double>() > 0);
  for (const char* name : {"fc1.weight", "fc1.bias", "fc2.weight", "classifier.weight"}) {
    CHECK(two.at(name).equal(one.at(name)));
  }
}

TEST_CASE("a new adapter has no importance, what stays trained keeps its own") {
  Adapted adapted("inclora",
                  {{"rank", "2"}, {"targets", "fc1"}, {"modules_to_save", "classifier"}});
  const auto ewc = builtin_methods().at("ewc").make({});
  Setup setup{*adapted.model, adapted.arena, adapted.stream, make_generator(1), {}};
  ewc->prepare(setup);
  adapted.move();
  ewc->after_task({1, adapted.stream, *adapted.stream.tasks[0].train, *adapted.model, adapted.arena,
                   make_generator(2), 32});
  const Twin importance = adapted.arena.twin("ewc.importance");
  const double head = largest(adapted.arena, importance, "classifier.weight");
  CHECK(head > 0);
  CHECK(largest(adapted.arena, importance, "fc1.lora_A.task1.weight") > 0);
  adapted.adapt(2);
  CHECK(largest(adapted.arena, importance, "classifier.weight") == head);
  CHECK(largest(adapted.arena, importance, "fc1.lora_A.task2.weight") == 0);
  CHECK(largest(adapted.arena, importance, "fc1.lora_B.task2.weight") == 0);
  CHECK(largest(adapted.arena, importance, "fc1.lora_A.task1.weight") == -1);  // frozen: no state
}

TEST_CASE("where only new adapters are trained, ewc holds nothing, and the trial says so") {
  std::vector<std::string> digests;
  std::vector<bool> told;
  for (const char* method : {"inclora", "inclora+ewc", "lora+ewc", "lora"}) {
    const auto model = mlp(6, 8, 2, 6);
    TaskStream stream = random_stream(Scenario::class_incremental, 3);
    Method made = method_of(method);
    const TrialResult result = train(small_request(*model, stream, made));
    digests.push_back(result.weights_digest);
    told.push_back(
        result.notes.back() ==
        "the penalty of inclora+ewc was 0 after the first task too: its strength is 0, or it held "
        "nothing that was trained");
  }
  CHECK(told == std::vector<bool>{false, true, false, false});
  CHECK(digests[0] == digests[1]);
  CHECK(digests[2] != digests[3]);
}

TEST_CASE("inclora names what it could not find") {
  CHECK_THROWS_WITH(Adapted("inclora", {{"targets", "q_proj"}}),
                    "inclora: no Linear ends with one of 'q_proj'; the model has: fc1, fc2, "
                    "classifier");
}

TEST_CASE("inclora goes on from a checkpoint of its second task, bit for bit") {
  const OptionMap options = {{"targets", "fc1"}};
  const std::string whole = digest_of("inclora", options);
  CHECK(digest_of("inclora", options, 1) == whole);
  CHECK(digest_of("inclora", options, 2) == whole);
}
