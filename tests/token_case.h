// Streams of random tokens, and small models of every family from a config.json. Include
// tests/catch.h first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/model_facts.h"
#include "core/models/pretrained.h"
#include "tests/engine_case.h"

namespace lethe {

constexpr int64_t kTokenVocabulary = 500;

/// Rows of `length` random tokens, of which the last `each` positions are predicted; for a model of
/// any form.
class TokenRows : public Rows {
 public:
  TokenRows(uint64_t seed, int64_t rows, int64_t length, int64_t each, plan::Form form)
      : Rows(static_cast<int64_t>(seed) * 1000), each_(each), form_(form) {
    const auto ids = [&](uint64_t offset) {
      return at::empty({rows, length}, at::kLong)
          .random_(0, form == plan::Form::encoder ? 100 : kTokenVocabulary,
                   make_generator(seed + offset));
    };
    inputs_ = ids(0);
    targets_ = ids(1);
    if (form == plan::Form::encoder) targets_.remainder_(2);
  }

  int64_t size() const override { return inputs_.size(0); }
  uint64_t fingerprint(int64_t index) const override {
    return static_cast<uint64_t>(first_id() + index);
  }
  Batch batch(const std::vector<int64_t>& indices) const override {
    const Tensor rows = at::tensor(indices, at::kLong);
    const int64_t n = rows.numel(), length = inputs_.size(1);
    Batch batch;
    batch.inputs = inputs_.index_select(0, rows);
    batch.row_ids = rows + first_id();
    batch.tokens = n * length;
    const Tensor targets = targets_.index_select(0, rows);
    if (form_ == plan::Form::encoder) {
      batch.targets = targets.select(1, 0).clone();
      return batch;
    }
    if (form_ == plan::Form::seq2seq) batch.decoder_inputs = targets.flip(1);
    batch.targets = targets.narrow(1, length - each_, each_).reshape({-1});
    const Tensor starts = at::arange(n, at::kLong).unsqueeze(1) * length;
    batch.positions = (starts + at::arange(length - each_, length, at::kLong)).view({-1});
    batch.row_of = at::arange(n, at::kLong).repeat_interleave(each_);
    return batch;
  }

 private:
  Tensor inputs_, targets_;
  int64_t each_;
  plan::Form form_;
};

inline TaskStream token_stream(plan::Form form, int64_t tasks, int64_t rows, int64_t length,
                               int64_t each) {
  TaskStream stream;
  stream.name = "tokens";
  for (int64_t t = 1; t <= tasks; ++t) {
    const auto made =
        std::make_shared<TokenRows>(static_cast<uint64_t>(10 * t), rows, length, each, form);
    stream.tasks.push_back(
        {"task" + std::to_string(t), {"loss", "nats", false}, made, made, made, {}});
  }
  if (form == plan::Form::encoder) stream.classes = 2;
  return stream;
}

/// A config.json by family: width 128, two or three blocks.
inline std::string token_config(const std::string& family, double dropout = 0) {
  const std::string sizes = R"("vocab_size": 500, "hidden_size": 128, "num_attention_heads": 4,
                               "num_hidden_layers": 3, "max_position_embeddings": 256)";
  const std::string t5 = R"("vocab_size": 500, "d_model": 128, "d_kv": 32, "d_ff": 320,
                            "num_layers": 2, "num_heads": 4)";
  const std::string p = std::to_string(dropout);
  if (family == "gpt2") {
    return R"({"model_type": "gpt2", "n_positions": 256, "resid_pdrop": )" + p +
           R"(, "embd_pdrop": )" + p + R"(, "attn_pdrop": )" + p + ", " + sizes + "}";
  }
  if (family == "llama") {
    return R"({"model_type": "llama", "intermediate_size": 344, "num_key_value_heads": 2, )" +
           sizes + "}";
  }
  if (family == "t5") return R"({"model_type": "t5", "dropout_rate": )" + p + ", " + t5 + "}";
  if (family == "mt5") {
    return R"({"model_type": "mt5", "feed_forward_proj": "gated-gelu", "dropout_rate": )" + p +
           ", " + t5 + "}";
  }
  return R"({"model_type": "bert", "intermediate_size": 512, "hidden_dropout_prob": )" + p +
         R"(, "attention_probs_dropout_prob": )" + p + ", " + sizes + "}";
}

inline std::unique_ptr<Model> token_model(const HfConfig& config, bool dropout = false) {
  const MemoryTag tag(Category::base_weights);
  PretrainedMaking making;
  making.dropout = dropout;
  making.weights = making.head = make_generator(7);
  return pretrained_family(config).make(config, making);
}

}  // namespace lethe
