// An adapter folder that peft wrote, on its base model (../shared/fixtures/lora). Include
// tests/catch.h first.
#pragma once

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/adapters/sets.h"
#include "core/formats/peft_read.h"
#include "core/update.h"
#include "tests/peft_case.h"

namespace lethe {

struct FolderCase {
  FolderCase(const std::filesystem::path& fixtures, const std::string& name,
             const std::string& base)
      : family(peft_family(base)),
        folder(fixtures / "lora" / name),
        hf(fixtures / "hf"),
        base(base),
        expected(named_tensors(folder / "expected.safetensors")),
        rows(expected),
        model(fixture_model(base, hf)),
        adapter(read_peft(folder.string(), *model, family)) {
    std::ifstream(folder / "expected.json") >> facts;
  }

  Tensor logits() { return logits_of(*model); }
  Tensor logits_of(Model& other) const {
    const at::NoGradGuard no_grad;
    return other.forward(rows.all);
  }
  double difference(const Tensor& ours, const char* theirs) const {
    return rows.difference(ours, expected.at(theirs));
  }
  /// The base with the adapter on it, as trained values.
  std::unique_ptr<Model> trained() const {
    auto fresh = fixture_model(base, hf);
    fresh->set_trainable(false);
    attach(*fresh, adapter.learned);
    train_attached(*fresh, adapter.learned);
    return fresh;
  }
  std::map<std::string, Tensor> values(const char* file) const {
    return named_tensors(folder / file);
  }

  const PeftFamily& family;
  std::filesystem::path folder, hf;
  std::string base;
  std::map<std::string, Tensor> expected;
  FixtureRows rows;
  std::unique_ptr<Model> model;
  PeftAdapter adapter;
  nlohmann::json facts;
};

/// A model's trained values, their gradients and AdamW steps, as the trainer takes them.
struct AdamW {
  explicit AdamW(Model& model) : model(model) {
    arena.lay_out(model);
    first = at::zeros_like(arena.values());
    second = at::zeros_like(arena.values());
  }

  double loss(const Batch& batch) {
    arena.gradient().zero_();
    const Tensor loss = task_loss(model.forward(batch), batch);
    torch::autograd::backward({loss}, {});
    return loss.item<double>();
  }

  void step(double lr) {
    kernels::Update update;
    update.optimizer = kernels::Optimizer::adamw;
    update.n = arena.size();
    update.value = arena.values().data_ptr<float>();
    update.gradient = arena.gradient().data_ptr<float>();
    update.first = first.data_ptr<float>();
    update.second = second.data_ptr<float>();
    update.learning_rate = lr;
    update.beta1 = 0.9;
    update.beta2 = 0.999;
    update.epsilon = 1e-8;
    update.step = ++steps;
    update_on(at::Device(at::kCPU), update);
  }

  Model& model;
  Arena arena;
  Tensor first, second;
  int64_t steps = 0;
};

}  // namespace lethe
