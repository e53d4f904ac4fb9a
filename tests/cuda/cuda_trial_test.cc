// Whole trials on the GPU against the CPU's: the R matrix, losses, memory, and equal bits when run
// again.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "tests/cuda/cuda_case.h"
#include "tests/device_case.h"
#include "tests/formats_case.h"
#include "tests/offload_case.h"

using namespace lethe;

namespace {

/// Weights spread out, so that outputs depend on what was read.
std::unique_ptr<Model> decoder(const std::string& family) {
  auto model = small_decoder(family);
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model->parameters()) {
    if (parameter.value.dim() == 2) parameter.value.mul_(12);
  }
  return model;
}

/// Loss and, in the parameters, gradients of a batch of two rows.
double backward_of(Model& model, const at::Device& device) {
  Batch batch;
  batch.inputs = at::tensor(std::vector<int64_t>{3, 9, 4, 2, 17, 5, 8, 0}).view({2, 4});
  batch.mask = batch.inputs.ne(0);
  batch.positions = at::tensor(std::vector<int64_t>{1, 2, 3, 5, 6});
  batch.row_of = at::tensor(std::vector<int64_t>{0, 0, 0, 1, 1});
  batch.targets = at::tensor(std::vector<int64_t>{4, 2, 7, 8, 1});
  batch.row_ids = at::tensor(std::vector<int64_t>{0, 1});
  const Batch moved = batch.to(device);
  const Tensor loss = task_loss(model.forward(moved), moved);
  torch::autograd::backward({loss}, {});
  return loss.item<double>();
}

}  // namespace

TEST_CASE("trials on the GPU have the CPU's R matrix and losses") {
  const auto device = cuda_device();
  if (!device) return;
  for (const std::string method : {"finetune", "ewc", "si", "lwf", "joint", "multitask", "lora",
                                   "lora+ewc", "l2", "mas", "rwalk", "ewc-kfac"}) {
    CAPTURE(method);
    check_equal(image_trial(*device, method), image_trial(at::kCPU, method));
  }
  for (const std::string labels : {"sampled", "empirical", "predicted", "batched"}) {
    CAPTURE(labels);
    const OptionMap options = {{"labels", labels}};
    check_equal(image_trial(*device, "ewc", options), image_trial(at::kCPU, "ewc", options));
  }
}

TEST_CASE("text trials on the GPU have the CPU's R matrix and losses") {
  const auto device = cuda_device();
  if (!device) return;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    for (const std::string method : {"finetune", "ewc", "lwf", "lora+ewc"}) {
      CAPTURE(family, method);
      check_equal(text_trial(*device, family, method), text_trial(at::kCPU, family, method));
    }
  }
}

TEST_CASE("a larger teacher and a quantised base train on the GPU as on the CPU") {
  const auto device = cuda_device();
  if (!device) return;
  const OptionMap larger = {{"teacher", "larger"}};
  check_equal(image_trial(*device, "distill", larger), image_trial(at::kCPU, "distill", larger));
  check_equal(image_trial(*device, "lora", {}, "nf4"), image_trial(at::kCPU, "lora", {}, "nf4"));
}

TEST_CASE("a trial on the GPU has the same bits when run again, dropout included") {
  const auto device = cuda_device();
  if (!device) return;
  const OptionMap options = {{"dropout", "0.2"}};
  const TrialResult once = image_trial(*device, "lora", options);
  CHECK(once.weights_digest == image_trial(*device, "lora", options).weights_digest);
  CHECK(once.weights_digest != image_trial(*device, "lora").weights_digest);
}

TEST_CASE("offloading levers on the GPU leave a trial its bits, and bytes leave the device") {
  const auto device = cuda_device();
  if (!device) return;
  check_offloaded_values(*device);
  check_offloaded_byte_moments(*device);
  for (const std::string family : {"gpt2", "llama"}) check_offloaded_bytes(*device, family, "lora");
}

TEST_CASE("few bits on the GPU: products, rounding, moments and values as on the CPU") {
  const auto device = cuda_device();
  if (!device) return;
  check_formats(*device);
  check_rounding(*device);
  check_narrow_levers(*device);
}

TEST_CASE("the memory of a trial on the GPU is booked by category and phase") {
  const auto device = cuda_device();
  if (!device) return;
  check_si_memory(image_trial(*device, "si"));
}

TEST_CASE("the decoder's families give the CPU's logits, gradients and text") {
  const auto device = cuda_device();
  if (!device) return;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const auto here = decoder(family), there = decoder(family);
    move_to(*there, *device);
    CHECK(backward_of(*there, *device) == Approx(backward_of(*here, at::kCPU)).epsilon(1e-4));
    const auto ours = here->parameters(), theirs = there->parameters();
    for (size_t i = 0; i < ours.size(); ++i) {
      CAPTURE(ours[i].name);
      const Tensor a = ours[i].value.grad(), b = theirs[i].value.grad();
      REQUIRE(a.defined() == b.defined());
      if (a.defined()) CHECK(a.allclose(b.cpu(), 1e-3, 1e-4));
    }
    const std::vector<std::vector<int64_t>> prompts = {{3, 9, 4}, {5}, {2, 17}};
    CHECK(there->generate(prompts, 6, 1) == here->generate(prompts, 6, 1));
  }
}

TEST_CASE("an index beyond the GPUs is refused with how many there are") {
  const auto device = cuda_device();
  if (!device) return;
  CHECK_THROWS_WITH(open_device("cuda:99"), Catch::StartsWith("no CUDA device 'cuda:99': ") &&
                                                Catch::Contains("visible; choose cuda:0"));
  CHECK_THAT(device_class(*device),
             Catch::StartsWith("cuda ") && Catch::Matches("cuda .+ sm_[0-9]+"));
}
