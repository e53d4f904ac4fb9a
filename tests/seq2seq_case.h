// Small encoder-decoders, and the T5 checkpoints of ../shared/fixtures. Include tests/catch.h
// first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/hf_seq2seq.h"
#include "core/models/seq2seq.h"
#include "core/text/pair_rows.h"
#include "tests/golden_model.h"

namespace lethe {

inline Seq2SeqConfig small_seq2seq_config(bool gated) {
  Seq2SeqConfig config;
  config.vocabulary = 24;
  config.width = 12;
  config.mlp_width = 20;
  config.heads = 3;
  config.head_dim = 6;  // 18 in all, not the width
  config.layers = 2;
  config.decoder_layers = 3;
  config.buckets = 8;
  config.max_distance = 9;
  config.dropout = 0;
  if (gated) {
    config.gated = true;
    config.tied = false;
    config.activation = Activation::gelu_tanh;
  }
  return config;
}

/// Its weights are spread out, so that it says more than what it reads.
inline std::unique_ptr<Seq2Seq> small_seq2seq(bool gated, double dropout = 0) {
  Seq2SeqConfig config = small_seq2seq_config(gated);
  config.dropout = dropout;
  auto model = std::make_unique<Seq2Seq>(config, make_generator(5));
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model->parameters()) {
    if (parameter.value.dim() == 2 && parameter.name != "shared.weight") parameter.value.mul_(3);
  }
  return model;
}

/// ../shared/fixtures/hf/NAME, dropout off.
inline std::unique_ptr<Seq2Seq> t5_fixture(const std::filesystem::path& hf,
                                           const std::string& name) {
  const std::string folder = (hf / name).string();
  const HfConfig file = HfConfig::read(folder);
  Seq2SeqConfig config = seq2seq_config(file);
  config.dropout = 0;
  auto model = std::make_unique<Seq2Seq>(config, make_generator(1));
  load_checkpoint(*model, std::make_shared<Checkpoint>(folder), seq2seq_rules(file));
  return model;
}

/// Its batch.
inline Golden golden_t5(const std::filesystem::path& folder) {
  Golden golden(folder);
  golden.batch = with_labels(golden.batch, golden.expected.at("labels"), 0, 0);
  return golden;
}

/// Every position of the decoder, whether it is predicted or not.
inline Batch every_position(Batch batch) {
  const int64_t length = batch.decoder_inputs.size(1);
  batch.positions = at::arange(batch.rows() * length, at::kLong);
  batch.row_of = batch.positions.div(length, "floor");
  batch.targets = batch.decoder_inputs.reshape(-1);
  return batch;
}

/// A batch of sources and targets (ids), as PairRows makes them from a tokenizer with pad 0.
inline Batch pair_batch(const std::vector<std::vector<int64_t>>& sources,
                        const std::vector<std::vector<int64_t>>& targets) {
  std::vector<TextRow> rows;
  for (size_t i = 0; i < sources.size(); ++i) rows.push_back({sources[i], targets[i]});
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  const PairRows pairs(tokenizer, rows, {});
  std::vector<int64_t> all;
  for (size_t i = 0; i < rows.size(); ++i) all.push_back(static_cast<int64_t>(i));
  return pairs.batch(all);
}

}  // namespace lethe
