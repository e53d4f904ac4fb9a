// Memory plans: published states to the byte, a step's activations counted by hand, levers, limits.
#include "core/plan/plan.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/plan/states.h"
#include "tests/plan_configs.h"

using namespace lethe;

using plan::PlanRequest;

namespace {

const std::string kBloomz7b1 = bloom_config(4096, 30, 32);
const std::string kT0 = t5_config("t5", 32128, 2048, 5120, 24, 32);
const std::string kMt0Xxl = t5_config("mt5", 250112, 4096, 10240, 24, 64);

/// As peft's README table was measured: batch 8, 64 tokens, float32, rank 8 on default modules.
PlanRequest published(const std::string& method) {
  PlanRequest request;
  request.method = method;
  request.targets = "peft";
  request.length = 64;
  return request;
}

double states_in(double unit, const std::string& config, const PlanRequest& request) {
  return static_cast<double>(plan::account(facts_of_config(config), request).states) / unit;
}

/// Two rows of four tokens through small_gpt2_config.
PlanRequest small(const std::string& method, const std::string& levers = "none") {
  PlanRequest request;
  request.method = method;
  request.rank = 2;
  request.batch = 2;
  request.length = 4;
  request.levers = plan::parse_levers(levers);
  return request;
}

plan::Account small_account(const PlanRequest& request, int layers = 1, int vocabulary = 32) {
  return plan::account(facts_of_config(small_gpt2_config(layers, vocabulary)), request);
}

/// The loss, its own gradient, and the ids of four positions.
constexpr int64_t kScalars = 4 + 4, kPlaces = 4 * 8;

}  // namespace

TEST_CASE("states of peft's README table, in MiB") {
  CHECK(states_in(0x1p20, kBloomz7b1, published("lora")) == Approx(27026.2).margin(0.05));
  CHECK(states_in(0x1p20, kBloomz7b1, published("finetune")) == Approx(107864.6).margin(0.05));
  CHECK(states_in(0x1p20, kT0, published("finetune")) == Approx(43483.8).margin(0.05));
  CHECK(states_in(0x1p20, kT0, published("lora")) == Approx(10943.0).margin(0.05));
  CHECK(states_in(0x1p20, kMt0Xxl, published("lora")) == Approx(49433.9).margin(0.05));
  CHECK(states_in(0x1p20, kMt0Xxl, published("full")) == Approx(197159.7).margin(0.05));
  // Exactly: four bytes a frozen weight, sixteen a trained one.
  const plan::Account lora = plan::account(facts_of_config(kBloomz7b1), published("lora"));
  CHECK(lora.parameters == 7069016064);
  CHECK(lora.trainable == 3932160);
  CHECK(lora.states == 4 * 7069016064 + 16 * 3932160);
  CHECK(plan::account(facts_of_config(kT0), published("full")).states == 16 * 2849757184);
}

TEST_CASE("states of QLoRA, in GiB") {
  PlanRequest request;
  request.method = "qlora";
  request.rank = 64;
  request.base = "nf4-dq";
  request.dtype = request.adapter_dtype = "bf16";
  request.levers = plan::parse_levers("bf16-stochastic");
  const auto gib = [&](int width, int mlp, int layers, int heads) {
    return states_in(0x1p30, llama_config(width, mlp, layers, heads), request);
  };
  CHECK(gib(4096, 11008, 32, 32) == Approx(5.39).margin(0.005));
  CHECK(gib(5120, 13824, 40, 40) == Approx(9.50).margin(0.005));
  CHECK(gib(6656, 17920, 60, 52) == Approx(21.67).margin(0.005));
  CHECK(gib(8192, 22016, 80, 64) == Approx(41.03).margin(0.005));
  const plan::Account made =
      plan::account(facts_of_config(llama_config(4096, 11008, 32, 32)), request);
  CHECK(made.trainable == 159907840);
  CHECK(made.device[plan::Part::optimizer] == 8 * 159907840);
  CHECK(made.device[plan::Part::gradients] == 2 * 159907840);
  CHECK(made.device[plan::Part::master] == 0);
  // 224 Linears of 6,476,005,376 values: codes; constants of 64 values, of 256 constants, and
  // means.
  const int64_t linears = 6476005376;
  CHECK(made.device[plan::Part::constants] == linears / 64 + linears / 64 / 256 * 4 + 224 * 4);
  CHECK(made.device[plan::Part::weights] == linears / 2 + 2 * (6738415616 - linears));
}

TEST_CASE("mt0-xxl is trained in full within 80 GB in bf16 with moments of 8 bits") {
  PlanRequest request = published("finetune");
  request.levers = plan::parse_levers("bf16-stochastic,adamw8bit");
  // 24.1 + 24.1 + 24.4 GiB; the constants of the moments are 2 * 4 / 256 bytes a value.
  CHECK(states_in(0x1p30, kMt0Xxl, request) == Approx(72.6).margin(0.1));
  request.levers = plan::parse_levers("bf16-stochastic,adamw8bit,optimizer-in-backward");
  CHECK(plan::account(facts_of_config(kMt0Xxl), request).peak() < int64_t{80} * 1000000000);
}

TEST_CASE("formats and moments in bytes") {
  const auto sum = [](const plan::Quantised& q) { return q.codes + q.constants; };
  CHECK(sum(plan::quantised_bytes("nf4", 64, 64, 64)) == 2048 + 64 * 4);
  CHECK(sum(plan::quantised_bytes("fp4", 3, 7, 32)) == 11 + 4);
  CHECK(sum(plan::quantised_bytes("nf4-dq", 256, 64, 64)) == 8192 + 256 + 4 + 4);
  CHECK(sum(plan::quantised_bytes("int8", 10, 64, 64)) == 640 + 40);
  CHECK(plan::moment_bytes(4095, 2, true) == 2 * 4096 * 4);
  CHECK(plan::moment_bytes(4097, 2, true) == 2 * (4097 + 17 * 4));
  CHECK(plan::moment_bytes(4097, 1, false) == 4112 * 4);
}

TEST_CASE("a full step keeps what the operators keep") {
  const plan::Account made = small_account(small("finetune"));
  const int64_t parameters = 32 * 16 + 8 * 16 + (32 + 816 + 272 + 32 + 1088 + 1040) + 32;
  CHECK(made.parameters == parameters);
  CHECK(made.states == 16 * parameters);
  const int64_t n = 8, c = n * 16 * 4, f = n * 64 * 4, stats = n * 2 * 4, sums = n * 2 * 4;
  const int64_t attention = c + stats + c + 3 * c + c + sums;  // x, its norm, q k v, result
  const int64_t mlp = c + stats + c + f + f;                   // x, its norm, slope, inner
  const int64_t head = c + stats + c;                          // x, states at positions
  // The states' gradient is made beside that of the logits.
  CHECK(made.device[plan::Part::activations] == attention + mlp + head + c + kPlaces + kScalars);
  CHECK(made.device[plan::Part::logits] == 2 * n * 32 * 4);
  CHECK(made.device[plan::Part::workspace] == 8 * (n + 3 * n + 2) + n);
  CHECK(made.moment == "backward, head");
  CHECK(made.host.total() == 0);
}

TEST_CASE("LoRA keeps the inputs of its factors and nothing of the frozen products") {
  const plan::Account made = small_account(small("lora"), 1, 128);
  CHECK(made.trainable == 2 * (16 + 48 + 16 + 16 + 16 + 64 + 64 + 16));
  const int64_t n = 8, c = n * 16 * 4, f = n * 64 * 4, stats = n * 2 * 4, sums = n * 2 * 4;
  const int64_t inner = n * 2 * 4;  // of rank 2
  // The first norm has no gradient to pass on: its input is not kept.
  const int64_t attention = c + inner + 3 * c + c + sums + inner;
  const int64_t mlp = c + stats + c + inner + f + f + inner;
  CHECK(made.device[plan::Part::activations] == attention + mlp + c + stats + c + kScalars);
  CHECK(made.device[plan::Part::logits] == 2 * n * 128 * 4);
}

TEST_CASE("a checkpointed block keeps its input and is made again") {
  const plan::Account made = small_account(small("finetune", "checkpointing"), 2);
  const int64_t n = 8, c = n * 16 * 4, f = n * 64 * 4, stats = n * 2 * 4, sums = n * 2 * 4;
  const int64_t block = c + stats + c + 3 * c + c + sums + c + stats + c + f + f;
  // Of the first block the input, the second whole; beside it, in the backward pass, the last
  // activation's gradient, that of the last bias, the block's result, and the gradient that waits.
  const int64_t bias = 16 * 4;
  CHECK(made.device[plan::Part::activations] == c + block + f + bias + c + c + kPlaces + kScalars);
  CHECK(made.device[plan::Part::logits] == n * 32 * 4);
  CHECK(made.peak() < small_account(small("finetune"), 2).peak());
}

TEST_CASE("levers lower what they name") {
  const plan::Account plain = small_account(small("finetune"));
  const auto with = [](const std::string& levers) {
    return small_account(small("finetune", levers));
  };
  // The highest moment is no longer the loss's.
  CHECK(plain.device[plan::Part::logits] > 0);
  CHECK(with("chunked-loss=7").device[plan::Part::logits] == 0);
  CHECK(with("chunked-loss=7").peak() < plain.peak());
  // The largest seam's: c_fc with its bias.
  CHECK(with("optimizer-in-backward").device[plan::Part::gradients] == 1088 * 4);
  const plan::Account offloaded = with("offload-optimizer");
  CHECK(offloaded.device[plan::Part::optimizer] == 0);
  CHECK(offloaded.host[plan::Part::optimizer] == plain.device[plan::Part::optimizer]);
  const plan::Account bf16 = with("bf16");
  CHECK(bf16.device[plan::Part::trainable] == plain.device[plan::Part::trainable] / 2);
  CHECK(bf16.device[plan::Part::gradients] == plain.device[plan::Part::gradients] / 2);
  CHECK(bf16.device[plan::Part::master] == plain.device[plan::Part::trainable]);
  CHECK(with("bf16-stochastic").device[plan::Part::master] == 0);
  // Twice the classes: so many that both have their peak at the head.
  const plan::Account whole = small_account(small("finetune"), 1, 64);
  const plan::Account half = small_account(small("finetune", "accumulate=2"), 1, 64);
  CHECK(half.states == whole.states);
  const int64_t fixed = kPlaces + kScalars;
  CHECK(2 * (half.device[plan::Part::activations] - fixed) ==
        whole.device[plan::Part::activations] - fixed);
}

TEST_CASE("activations of all blocks but those at work lie on the host") {
  const plan::Account plain = small_account(small("finetune"), 6);
  const plan::Account made = small_account(small("finetune", "offload-activations"), 6);
  CHECK(made.host[plan::Part::activations] > 0);
  CHECK(made.peak() < plain.peak());
  CHECK(made.states == plain.states);
}

TEST_CASE("frozen weights of blocks lie on the host, one at a time on the device") {
  const plan::Account plain = small_account(small("lora"), 6);
  const plan::Account made = small_account(small("lora", "offload-weights"), 6);
  const int64_t block = 4 * (16 * 48 + 16 * 16 + 16 * 64 + 64 * 16);
  CHECK(made.host[plan::Part::weights] == 6 * block);
  CHECK(made.device[plan::Part::weights] == plain.device[plan::Part::weights] - 6 * block);
}

TEST_CASE("methods keep as many buffers as they name") {
  const int64_t values = 4 * small_account(small("finetune")).trainable;
  const auto state = [](const std::string& method) {
    return small_account(small(method)).device[plan::Part::method_state];
  };
  CHECK(state("finetune") == 0);
  CHECK(state("ewc") == 2 * values);
  CHECK(state("si") == 3 * values);
  CHECK(state("ewc+distill") == 3 * values);
  const int64_t low_rank = 4 * small_account(small("lora")).trainable;
  CHECK(state("lora+ewc") == 2 * low_rank);
}

TEST_CASE("the longest length and the largest batch fit, and one more does not") {
  const plan::ModelFacts model = facts_of_config(llama_config(256, 688, 4, 4));
  PlanRequest request;
  request.method = "lora";
  request.length = 32;
  const int64_t memory = int64_t{400} << 20;
  const plan::Plan made = plan::make_plan(model, request, memory);
  REQUIRE(made.fits);
  REQUIRE(made.longest > 32);
  REQUIRE(made.largest_batch > 8);
  const auto peak = [&](int64_t batch, int64_t length) {
    PlanRequest other = request;
    other.batch = batch;
    other.length = length;
    return plan::account(model, other).peak();
  };
  CHECK(peak(8, made.longest) <= memory);
  CHECK(peak(8, made.longest + 1) > memory);
  CHECK(peak(made.largest_batch, 32) <= memory);
  CHECK(peak(made.largest_batch + 1, 32) > memory);
}

TEST_CASE("levers that make it fit come with the cheapest first, alone where one suffices") {
  const plan::ModelFacts model = facts_of_config(kBloomz7b1);
  PlanRequest request = published("lora");
  request.length = 1024;
  const int64_t peak = plan::account(model, request).peak();
  const plan::Plan close = plan::make_plan(model, request, peak - (int64_t{1} << 30));
  CHECK_FALSE(close.fits);
  REQUIRE(close.remedies.size() > 1);
  CHECK(close.remedies[0].levers == std::vector<std::string>{"chunked-loss"});
  for (const plan::Remedy& remedy : close.remedies) CHECK(remedy.peak <= close.device_memory);
  const plan::Plan far = plan::make_plan(model, request, int64_t{24} << 30);
  REQUIRE(far.remedies.size() == 1);
  CHECK(far.remedies[0].levers.size() > 1);
  CHECK(far.remedies[0].peak <= far.device_memory);
  const plan::Plan never = plan::make_plan(model, request, int64_t{1} << 30);
  CHECK(never.remedies.empty());
  CHECK(never.least_peak > never.device_memory);
  CHECK(never.longest == 0);
}
