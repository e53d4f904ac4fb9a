// Adapters that peft trained on T5: logits, gradients, five steps, merged weights, generation.
#include "tests/catch.h"
// After Catch.
#include "core/formats/peft_read.h"
#include "core/formats/peft_write.h"
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

struct Case {
  std::string name, base, method;
  OptionMap options;
  double gradients, steps;  // tolerances: relative to the tensor's largest, absolute for losses
};

const std::vector<Case>& cases() {
  const OptionMap lora = {{"rank", "4"}, {"alpha", "8"}, {"targets", "q,v"}};
  static const std::vector<Case> all = {{"t5_v1_0", "t5_v1_0", "lora", lora, 1e-3, 1e-2},
                                        {"t5_v1_1", "t5_v1_1", "lora", lora, 1e-3, 1e-2},
                                        {"t5_v1_1_ia3", "t5_v1_1", "ia3", {}, 1e-3, 1e-3}};
  return all;
}

Batch batch_of(std::map<std::string, Tensor>& expected) {
  Batch batch;
  batch.inputs = expected.at("input_ids");
  batch.mask = expected.at("attention_mask").to(at::kBool);
  batch.row_ids = at::arange(batch.rows(), at::kLong);
  return with_labels(batch, expected.at("labels"), 0, 0);
}

/// The adapter as peft saved it, on the base.
struct Loaded {
  Loaded(const std::filesystem::path& fixtures, const Case& given)
      : folder(fixtures / "lora" / given.name),
        expected(stored_tensors(folder / "expected.safetensors")),
        json(json_of(folder / "expected.json")),
        batch(batch_of(expected)),
        adapted(given.method, given.options, t5_fixture(fixtures / "hf", given.base), batch) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, value] : named_tensors(folder / "adapter_model.safetensors")) {
      adapted.parameter(name).copy_(value);
    }
  }
  double difference(const std::string& logits) {
    const at::NoGradGuard no_grad;
    const Tensor ours = adapted.model->forward(every_position(batch));
    return largest_difference(ours, expected.at(logits).view(ours.sizes()));
  }

  std::filesystem::path folder;
  std::map<std::string, Tensor> expected;
  nlohmann::json json;
  Batch batch;
  Adapted adapted;
};

}  // namespace

TEST_CASE("t5 with peft's adapters has peft's logits, merged too, and its loss") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const Case& given : cases()) {
    CAPTURE(given.name);
    Loaded loaded(*fixtures, given);
    CHECK(loaded.difference("logits_adapter") < 1e-4);
    CHECK(loaded.difference("logits_base") > 1e-2);
    const double loss =
        task_loss(loaded.adapted.model->forward(loaded.batch), loaded.batch).item<double>();
    CHECK(std::abs(loss - loaded.json.at("loss_adapter").get<double>()) < 1e-5);
    loaded.adapted.merge();
    CHECK(loaded.difference("logits_merged") < 1e-4);
    const auto merged = loaded.folder / "expected_merged_weights.safetensors";
    if (!std::filesystem::exists(merged)) continue;
    for (const auto& [name, value] : stored_tensors(merged)) {
      CHECK(largest_difference(loaded.adapted.parameter(name), value) < 1e-5);
    }
  }
}

TEST_CASE("t5's adapters have peft's gradients") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const Case& given : cases()) {
    Loaded loaded(*fixtures, given);
    Model& model = *loaded.adapted.model;
    torch::autograd::backward({task_loss(model.forward(loaded.batch), loaded.batch)}, {});
    const auto theirs = named_tensors(loaded.folder / "expected_grads.safetensors");
    CHECK(theirs.size() == model.trainable().size());
    for (const auto& [name, value] : theirs) {
      CAPTURE(given.name, name);
      const double scale = value.abs().max().item<double>();
      CHECK(largest_difference(loaded.adapted.parameter(name).grad(), value) <
            given.gradients * scale);
    }
  }
}

TEST_CASE("five AdamW steps of t5's adapters are peft's") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const Case& given : cases()) {
    CAPTURE(given.name);
    Loaded loaded(*fixtures, given);
    TrainOptions options;
    options.lr = 1e-2;
    options.steps = 5;
    Method none;
    const StepsTaken taken = steps_on(*loaded.adapted.model, loaded.batch, none, options);
    const auto& expected = loaded.json.at("adamw_5_steps_adapter_only");
    const std::vector<double> losses = expected.at("losses");
    REQUIRE(taken.losses.size() == 5);
    for (size_t step = 0; step < 5; ++step) {
      CHECK(std::abs(taken.losses[step] - losses[step]) < given.steps);
    }
    if (expected.contains("loss_after")) {
      CHECK(std::abs(taken.loss_after - expected.at("loss_after").get<double>()) < given.steps);
    }
    double largest = 0;
    for (const auto& [name, value] :
         named_tensors(loaded.folder / "expected_after_5_steps.safetensors")) {
      largest = std::max(largest, largest_difference(loaded.adapted.parameter(name), value));
    }
    CHECK(largest < 1e-2);
  }
}

TEST_CASE("t5's adapter folders give peft's logits and are written with the same tensors") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const PeftFamily& family = peft_family("t5");
  for (const Case& given : cases()) {
    CAPTURE(given.name);
    const auto folder = *fixtures / "lora" / given.name;
    auto expected = stored_tensors(folder / "expected.safetensors");
    const Batch batch = every_position(batch_of(expected));
    const auto model = t5_fixture(*fixtures / "hf", given.base);
    const auto difference = [&](const char* logits) {
      const at::NoGradGuard no_grad;
      const Tensor ours = model->forward(batch);
      return largest_difference(ours, expected.at(logits).view(ours.sizes()));
    };
    CHECK(difference("logits_base") < 1e-4);
    const PeftAdapter adapter = read_peft(folder.string(), *model, family);
    attach(*model, adapter.learned);
    CHECK(difference("logits_adapter") < 1e-4);
    const Scratch scratch;
    write_peft(scratch.folder(), adapter.learned, *model, family,
               {adapter.config.base_model, "", 0, 0});
    CHECK(file_bytes(scratch.path("adapter_model.safetensors")) ==
          file_bytes((folder / "adapter_model.safetensors").string()));
    const PeftConfig theirs = adapter.config, ours = read_peft_config(scratch.folder());
    CHECK(ours.type == theirs.type);
    CHECK(ours.rank == theirs.rank);
    CHECK(ours.alpha == theirs.alpha);
    CHECK(ours.task_type == "SEQ_2_SEQ_LM");
    CHECK(ours.task_type == theirs.task_type);
    CHECK(ours.base_model == theirs.base_model);
    CHECK(ours.feedforward_modules == theirs.feedforward_modules);
    const PeftAdapter again = read_peft(scratch.folder(), *model, family);
    CHECK(again.learned.adapters.size() == adapter.learned.adapters.size());
    for (Linear* seam : model->linears()) seam->merge_adapters();
    CHECK(difference("logits_merged") < 1e-4);
  }
}

TEST_CASE("t5 with peft's adapters generates peft's sequences") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const Case& given : cases()) {
    CAPTURE(given.name);
    Loaded loaded(*fixtures, given);
    if (!loaded.json.contains("generate")) continue;
    std::vector<std::vector<int64_t>> sources;
    for (int64_t row = 0; row < 3; ++row) {
      const Tensor ids = loaded.batch.inputs[row].masked_select(loaded.batch.mask[row]);
      sources.emplace_back(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel());
    }
    auto made = loaded.adapted.model->generate(sources, 12, 1);
    const std::vector<std::vector<int64_t>> theirs = loaded.json.at("generate").at("sequences");
    for (size_t row = 0; row < made.size(); ++row) {
      if (made[row].size() < 12) made[row].push_back(1);
      made[row].resize(12, 0);
      made[row].insert(made[row].begin(), 0);
      CHECK(made[row] == theirs[row]);
    }
  }
}
