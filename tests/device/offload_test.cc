// Offloading levers on a device that is not the CPU, without a GPU.
#include "tests/catch.h"
// After Catch.
#include <cstdlib>

#include "core/memory_ledger.h"
#include "core/weight_stream.h"
#include "tests/device/other_device.h"
#include "tests/files.h"
#include "tests/offload_case.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

// This device multiplies with libtorch, and bits are compared.
const bool kLibtorchProducts = setenv("LETHE_PRODUCTS", "libtorch", 1) == 0;

class OneLinear : public Model {
 public:
  explicit OneLinear(int64_t n) : linear_("one", at::full({n / 16, 16}, 0.5f), {}) {}
  Tensor forward(const Batch& batch) override { return linear_.forward(batch.inputs); }
  std::vector<Seam*> seams() override { return {&linear_}; }

 private:
  Linear linear_;
};

}  // namespace

TEST_CASE("moments, weights and activations on the host leave a trial its bits") {
  check_offloaded_values(other_device());
  check_offloaded_byte_moments(other_device());
}

TEST_CASE("what levers bring to the host leaves the device, as the plan says") {
  for (const std::string family : {"gpt2", "mt5"}) {
    check_offloaded_bytes(other_device(), family, "lora");
  }
  check_offloaded_bytes(other_device(), "gpt2", "finetune");
}

TEST_CASE("the next offloaded weight is fetched while the present one is used") {
  constexpr int64_t kWidth = 64, kBytes = 4 * kWidth * kWidth;
  const auto stream = std::make_shared<WeightStream>(other_device());
  std::vector<std::unique_ptr<OffloadedWeight>> weights;
  for (uint64_t i = 0; i < 4; ++i) {
    const Tensor drawn = at::empty({kWidth, kWidth}, at::kFloat).normal_(0, 0.1, make_generator(i));
    weights.push_back(std::make_unique<OffloadedWeight>(make_dense(drawn), other_device()));
    weights.back()->come_by(stream);
  }
  const auto step = [&] {
    Tensor x = at::ones({2, kWidth}, at::kFloat).to(other_device());
    x.set_requires_grad(true);
    Tensor y = x;
    for (const auto& weight : weights) y = weight->apply(y, {});
    torch::autograd::backward({y.sum()}, {});
    return x.grad().cpu();
  };
  const Tensor first = step();
  CHECK(stream->copies() == 8);
  CHECK(stream->guessed() == 0);
  CHECK(step().equal(first));  // what follows 1, 0 and 0, 0 is new
  CHECK(stream->guessed() == 6);
  const int64_t live = device_ledger().live(), copies = stream->copies();
  device_ledger().begin("a step with weights that come ahead");
  CHECK(step().equal(first));
  CHECK(stream->guessed() == 14);
  CHECK(stream->copies() == copies + 6);  // the last of each way stays for the way back
  // One is there already; one comes while it is used; and what is small.
  CHECK(device_ledger().phases().back().total_peak - live < kBytes + 8 * 1024);
  weights[2].reset();
  const int64_t before = device_ledger().live();
  weights.clear();
  CHECK(device_ledger().live() <= before);
}

TEST_CASE("moments of more values than are moved at once") {
  const int64_t n = 2 * HostMoments::kAtOnce + 48;
  OneLinear model(n);
  Arena arena;
  arena.lay_out(model);
  Tensor twin = arena.values().clone();
  const at::NoGradGuard no_grad;
  arena.gradient().normal_(0, 1, make_generator(3));
  HostMoments moments(at::kCPU, 2);
  moments.lay_out(arena, true);
  kernels::Update step;
  step.n = n;
  step.learning_rate = 0.01;
  step.zero_gradient = false;
  const Tensor first = at::zeros({n}), second = at::zeros({n});
  for (step.step = 1; step.step <= 2; ++step.step) {
    step.gradient = arena.gradient().data_ptr<float>();
    step.value = twin.data_ptr<float>();
    step.first = first.data_ptr<float>();
    step.second = second.data_ptr<float>();
    kernels::update(step);
    step.value = arena.values().data_ptr<float>();
    step.first = step.second = nullptr;
    moments.update(arena, step);
  }
  CHECK(arena.values().equal(twin));
}

TEST_CASE("a trial continued from its checkpoint has its moments on the host again") {
  const auto run = [](const std::string& path, int64_t last) {
    const auto model = mlp(6, 16, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    Method method = method_of("finetune");
    TrainRequest request = small_request(*model, stream, method);
    request.device = other_device();
    request.options.levers = "offload-optimizer";
    request.options.reset_optimizer = false;
    request.checkpoint = path;
    request.last_task = last;
    try {
      return train(request).weights_digest;
    } catch (const Interrupted&) {
      return std::string();
    }
  };
  const Scratch scratch;
  const std::string whole = run("", 0);
  CHECK(run(scratch.path("stopped"), 1).empty());
  CHECK(run(scratch.path("stopped"), 0) == whole);
}

TEST_CASE("levers that a model or a method does not take on a device are refused") {
  const auto refused = [](const std::string& method, const std::string& levers,
                          const std::string& optimizer = "adamw") {
    const auto model = mlp(6, 16, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 1);
    Method strategies = method_of(method);
    TrainRequest request = small_request(*model, stream, strategies);
    request.device = other_device();
    request.options.levers = levers;
    request.options.optimizer = optimizer;
    request.options.momentum = 0;
    try {
      train(request);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refused("finetune", "offload-weights") ==
        "train.levers has offload-weights, but finetune trains the weights of all blocks; drop one "
        "of them");
  CHECK(refused("finetune", "offload-activations") ==
        "train.levers has offload-activations, but this model has no blocks; drop the lever");
  CHECK(refused("finetune", "offload-optimizer", "sgd") ==
        "train.levers has offload-optimizer, but train.optimizer = sgd without momentum keeps "
        "nothing; drop the lever");
  CHECK(refused("lora", "offload-weights") == "accepted");
}
