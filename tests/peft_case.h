// Adapters that Hugging Face's peft trained on tiny models, with the logits and gradients it got
// (../shared/fixtures). Include tests/catch.h first.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/formats/safetensors.h"
#include "core/loss.h"
#include "tests/adapter_case.h"
#include "tests/shared.h"

namespace lethe {

inline Tensor tensor_of(const StoredTensor& stored) {
  const auto type = stored.dtype == "I64" ? at::kLong : at::kFloat;
  Tensor made = at::empty(stored.shape, type);
  std::memcpy(made.data_ptr(), stored.data, stored.bytes);
  return made;
}

/// Every tensor of a file by the name that it has here: without wrappers' prefixes and infixes.
inline std::map<std::string, Tensor> named_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path.string());
  std::map<std::string, Tensor> found;
  for (const auto& [theirs, stored] : file.tensors()) {
    std::string name = theirs;
    for (const std::string prefix : {"base_model.model.", "model.", "transformer."}) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    const std::pair<std::string, std::string> renamed[] = {
        {".ln_tuning_layers", ""},
        {".base_layer", ""},
        {".default", ""},
        {"magnitude_vector.weight", "magnitude_vector"},
        {"prompt_encoder.embedding.weight", "prompt_embeddings"}};
    for (const auto& [from, to] : renamed) {
      const size_t at = name.find(from);
      if (at != std::string::npos) name.replace(at, from.size(), to);
    }
    found[name] = tensor_of(stored);
  }
  return found;
}

inline OptionMap fixture_shape(const std::string& model) {
  if (model == "llama") {
    return {{"width", "64"},   {"layers", "3"},      {"heads", "8"},
            {"kv_heads", "2"}, {"mlp_width", "112"}, {"max_length", "128"}};
  }
  if (model == "bloom") return {{"width", "64"}, {"layers", "3"}, {"heads", "8"}};
  const std::string inner = model == "opt" ? "96" : "192";
  return {
      {"width", "48"}, {"layers", "3"}, {"heads", "4"}, {"mlp_width", inner}, {"max_length", "64"}};
}

/// The checkpoint ../shared/fixtures/hf/NAME ("llama", "opt", "gpt2", "bloom") as a decoder.
inline std::unique_ptr<Model> fixture_model(const std::string& name,
                                            const std::filesystem::path& hf) {
  auto weights = named_tensors(hf / name / "model.safetensors");
  const std::string tokens = name == "llama"   ? "embed_tokens.weight"
                             : name == "opt"   ? "decoder.embed_tokens.weight"
                             : name == "bloom" ? "word_embeddings.weight"
                                               : "wte.weight";
  auto model = small_decoder(name, fixture_shape(name), weights.at(tokens).size(0), 13);
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model->parameters()) {
    Tensor value = weights.at(parameter.name);
    // GPT-2 keeps its products as (in, out).
    if (name == "gpt2" && parameter.name.find(".c_") != std::string::npos && value.dim() == 2) {
      value = value.t();
    }
    parameter.value.copy_(value);
  }
  return model;
}

/// The rows of a fixture: every position, and those that the loss counts.
struct FixtureRows {
  explicit FixtureRows(std::map<std::string, Tensor> expected) {
    const Tensor labels = expected.at("labels");
    const int64_t rows = labels.size(0), length = labels.size(1);
    all.inputs = expected.at("input_ids");
    all.positions = at::arange(rows * length, at::kLong);
    all.row_of = all.positions.div(length, "floor");
    all.targets = labels.roll(-1, 1).reshape(-1);  // the next token
    real = expected.at("attention_mask").to(at::kBool).view(-1);
    counted = all;
    Tensor predicted = all.targets.view({rows, length}).ne(-100);
    predicted.select(1, length - 1).fill_(false);
    counted.positions = predicted.view(-1).nonzero().view(-1);
    counted.row_of = counted.positions.div(length, "floor");
    counted.targets = all.targets.index_select(0, counted.positions);
  }
  /// Largest difference of logits (B * L, V) at real tokens.
  double difference(const Tensor& ours, const Tensor& theirs) const {
    const Tensor at_tokens = (ours - theirs.reshape(ours.sizes())).abs() * real.unsqueeze(1);
    return at_tokens.max().item<double>();
  }
  Batch all, counted;
  Tensor real;  // (B * L) bool
};

/// A method on a fixture's model, its parameters as the fixture has them.
struct PeftCase {
  PeftCase(const std::filesystem::path& fixtures, const std::string& name, const std::string& base,
           const std::string& method, const OptionMap& options)
      : folder(fixtures / "lora" / name),
        expected(named_tensors(folder / "expected.safetensors")),
        rows(expected),
        adapted(method, options, fixture_model(base, fixtures / "hf"), rows.all) {
    const at::NoGradGuard no_grad;
    for (const auto& [theirs, value] : named_tensors(folder / "adapter_model.safetensors")) {
      adapted.parameter(theirs).copy_(value);
    }
  }

  /// Largest error of a gradient over the largest value of its tensor.
  double gradient_error() {
    adapted.arena.gradient().zero_();
    const Tensor loss = task_loss(adapted.model->forward(rows.counted), rows.counted);
    torch::autograd::backward({loss}, {});
    double largest = 0;
    size_t seen = 0;
    for (const auto& [name, theirs] : named_tensors(folder / "expected_grads.safetensors")) {
      const Tensor ours = adapted.parameter(name).grad();
      const double scale = theirs.abs().max().item<double>();
      largest = std::max(largest, largest_difference(ours, theirs) / scale);
      ++seen;
    }
    return seen == adapted.model->trainable().size() ? largest : 1e9;  // each has its golden value
  }

  double loss() {
    const at::NoGradGuard no_grad;
    return task_loss(adapted.model->forward(rows.counted), rows.counted).item<double>();
  }

  std::filesystem::path folder;
  std::map<std::string, Tensor> expected;
  FixtureRows rows;
  Adapted adapted;
};

}  // namespace lethe
