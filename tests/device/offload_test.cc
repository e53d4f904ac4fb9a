// Offloading levers on a device that is not the CPU, without a GPU.
#include "tests/catch.h"
// After Catch.
#include <cstdlib>

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
}

TEST_CASE("what levers bring to the host leaves the device, as the plan says") {
  for (const std::string family : {"gpt2", "mt5"}) {
    check_offloaded_bytes(other_device(), family, "lora");
  }
  check_offloaded_bytes(other_device(), "gpt2", "finetune");
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
  CHECK_THAT(refused("finetune", "adamw8bit"), Contains("trains on the CPU only"));
  CHECK(refused("lora", "offload-weights") == "accepted");
}
