// Trials on a device that is not the CPU, without a GPU: no tensor is left behind, the results are
// the CPU's, and memory is booked.
#include "tests/catch.h"
// After Catch.
#include <cstdlib>
#include <filesystem>

#include "tests/device/other_device.h"
#include "tests/device_case.h"

using namespace lethe;

namespace {

// This device multiplies with libtorch, and bits are compared.
const bool kProducts = setenv("LETHE_PRODUCTS", "libtorch", 1) == 0;

/// The digest of the weights after a trial that uses much of the trainer.
std::string digest(const at::Device& device, const std::string& method,
                   const std::function<void(TrainOptions&)>& change, const OptionMap& given = {}) {
  const auto model = mlp(6, 16, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method strategies = method_of(method, given);
  TrainRequest request = small_request(*model, stream, strategies);
  request.device = device;
  change(request.options);
  return train(request).weights_digest;
}

/// The same, stopped after the first task and continued from its checkpoint.
std::string continued_digest(const at::Device& device, const std::string& method,
                             const OptionMap& given = {}) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("lethe-device-trial-" + std::to_string(getpid()) + ".safetensors");
  std::string digest;
  for (const int64_t last : {1, 0}) {
    const auto model = mlp(6, 16, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    Method strategies = method_of(method, given);
    TrainRequest request = small_request(*model, stream, strategies);
    request.device = device;
    request.checkpoint = path.string();
    request.last_task = last;
    try {
      digest = train(request).weights_digest;
    } catch (const Interrupted&) {
    }
  }
  std::filesystem::remove(path);
  return digest;
}

}  // namespace

TEST_CASE("an operation on tensors of two devices is refused") {
  const Tensor there = at::ones({3}).to(other_device()), here = at::ones({3});
  CHECK_THROWS(there + here);
  CHECK_THROWS(at::cat({there, here}));
  CHECK_THROWS(at::matmul(there, here));
  CHECK((there * 2).sum().item<double>() == 6);
}

TEST_CASE("image trials on another device have the CPU's R matrix and losses") {
  for (const std::string method :
       {"finetune", "ewc", "si", "lwf", "joint", "multitask", "lora", "lora+ewc"}) {
    CAPTURE(method);
    check_equal(image_trial(other_device(), method), image_trial(at::kCPU, method));
  }
  for (const std::string labels : {"exact", "sampled", "empirical", "predicted", "batched"}) {
    CAPTURE(labels);
    const OptionMap options = {{"labels", labels}};
    check_equal(image_trial(other_device(), "ewc", options), image_trial(at::kCPU, "ewc", options));
  }
  const OptionMap larger = {{"teacher", "larger"}};
  check_equal(image_trial(other_device(), "distill", larger),
              image_trial(at::kCPU, "distill", larger));
}

TEST_CASE("every built-in method trains on another device as on the CPU") {
  for (const auto& [name, entry] : builtin_methods().entries()) {
    CAPTURE(name);
    // A default budget of past rows is more than these tasks have.
    const OptionMap options =
        entry.complete({}).contains("budget") ? OptionMap{{"budget", "8"}} : OptionMap{};
    TrialResult here;
    bool text = false;
    try {
      here = image_trial(at::kCPU, name, options);
    } catch (const Error&) {  // a method for language models alone
      text = true;
      here = text_trial(at::kCPU, "llama", name);
    }
    check_equal(text ? text_trial(other_device(), "llama", name)
                     : image_trial(other_device(), name, options),
                here);
  }
}

TEST_CASE("text trials on another device have the CPU's R matrix and losses") {
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    for (const std::string method : {"finetune", "ewc", "lwf", "multitask", "lora+ewc"}) {
      CAPTURE(family, method);
      check_equal(text_trial(other_device(), family, method), text_trial(at::kCPU, family, method));
    }
  }
}

TEST_CASE("generation on another device gives the CPU's tokens") {
  const std::vector<std::vector<int64_t>> prompts = {{3, 9, 4}, {5}, {2, 17}};
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const auto here = small_decoder(family), there = small_decoder(family);
    move_to(*there, other_device());
    CHECK(there->generate(prompts, 6, 1) == here->generate(prompts, 6, 1));
  }
}

TEST_CASE("patience, accumulation and a checkpoint work on another device as on the CPU") {
  const auto plain = [](TrainOptions&) {};
  const auto epochs = [](TrainOptions& options) {
    options.epochs = 3;
    options.patience = 1;
  };
  const auto accumulated = [](TrainOptions& options) {
    options.accumulate = 2;
    options.eval_every = 2;
    options.optimizer = "sgd";
    options.momentum = 0.9;
  };
  for (const std::string method : {"finetune", "si", "lora+ewc"}) {
    CAPTURE(method);
    CHECK(digest(other_device(), method, epochs) == digest(at::kCPU, method, epochs));
    CHECK(digest(other_device(), method, accumulated) == digest(at::kCPU, method, accumulated));
    CHECK(continued_digest(other_device(), method) == digest(at::kCPU, method, plain));
  }
  const OptionMap few = {{"budget", "8"}};
  for (const std::string method : {"replay", "a-gem", "gem", "derpp"}) {
    CAPTURE(method);
    CHECK(continued_digest(other_device(), method, few) == digest(at::kCPU, method, plain, few));
  }
}

TEST_CASE("a moved model keeps its parameters and what is trained") {
  const auto model = mlp(6, 8, 1, 4);
  model->linears()[0]->set_trainable(false);
  const auto before = model->parameters();
  move_to(*model, other_device());
  const auto after = model->parameters();
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].value.is_same(before[i].value));
    CHECK(after[i].value.device() == other_device());
    CHECK(after[i].value.requires_grad() == (i >= 2));
    CHECK(after[i].value.is_leaf());
  }
}

TEST_CASE("the memory of a trial on another device is booked by category and phase") {
  check_si_memory(image_trial(other_device(), "si"));
}
