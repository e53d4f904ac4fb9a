#include "core/models/seq2seq.h"

#include <cmath>

#include "core/error.h"
#include "core/models/initial.h"

namespace lethe {

void check(const Seq2SeqConfig& config) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"vocabulary", config.vocabulary},
      {"width", config.width},
      {"mlp_width", config.mlp_width},
      {"heads", config.heads},
      {"head_dim", config.head_dim},
      {"layers", config.layers},
      {"decoder_layers", config.decoder_layers},
  };
  for (const auto& [name, size] : sizes) {
    if (size < 1) fail("seq2seq: {} is {}; expected at least 1", name, size);
  }
  if (config.buckets < 4) {
    fail("seq2seq: {} buckets of relative positions; expected at least 4", config.buckets);
  }
  if (config.max_distance <= config.buckets / 2) {
    fail(
        "seq2seq: the largest distance of relative positions is {}, but {} buckets count {} "
        "distances exactly; expected more than that",
        config.max_distance, config.buckets, config.buckets / 2);
  }
}

Seq2Seq::Seq2Seq(const Seq2SeqConfig& config, at::Generator generator) : config_(config) {
  check(config_);
  const auto table = [&] {
    return normal_weight(config_.vocabulary, config_.width, config_.initial_factor, generator);
  };
  shared_ = std::make_unique<Embedding>("shared", table());
  prompt_ = std::make_unique<Prompt>(*shared_, 0);
  encoder_ = std::make_unique<Seq2SeqStack>(config_, Seq2SeqStack::Side::encoder, generator);
  decoder_ = std::make_unique<Seq2SeqStack>(config_, Seq2SeqStack::Side::decoder, generator);
  if (!config_.tied) {
    head_ = std::make_unique<Linear>("lm_head", table(), Tensor(), SeamKind::head);
  }
}

std::vector<Seam*> Seq2Seq::seams() {
  std::vector<Seam*> found = {shared_.get(), prompt_.get()};
  encoder_->add_seams(found);
  decoder_->add_seams(found);
  if (head_) found.push_back(head_.get());
  return found;
}

Seq2Seq::Memory Seq2Seq::encode(const Tensor& ids, const Tensor& mask,
                                const Seq2SeqStack::Seen& seen) const {
  Tensor tokens = mask;
  if (tokens.defined() && prompt_->size() > 0) {
    tokens = at::cat({at::ones({mask.size(0), prompt_->size()}, mask.options()), mask}, 1);
  }
  StackInputs inputs;
  inputs.padding = padding_bias(tokens);
  inputs.drop = drop();
  std::vector<StackCache> none;
  const Tensor embedded = prompt_->before(shared_->forward(ids));
  return {encoder_->forward(*this, embedded, inputs, none, seen), inputs.padding};
}

Tensor Seq2Seq::decode(const Tensor& ids, const Memory& memory, std::vector<StackCache>& caches,
                       const Seq2SeqStack::Seen& seen) const {
  StackInputs inputs;
  inputs.memory = memory.states;
  inputs.memory_padding = memory.padding;
  inputs.drop = drop();
  return decoder_->forward(*this, shared_->forward(ids), inputs, caches, seen);
}

Tensor Seq2Seq::head(const Tensor& states) const {
  if (head_) return head_->forward(states);
  return shared_->as_head(states / std::sqrt(static_cast<double>(config_.width)));
}

Tensor Seq2Seq::predicted_states(const Batch& batch) {
  if (!batch.decoder_inputs.defined()) {
    fail(
        "an encoder-decoder reads sources and targets apart, but these rows hold them as one text; "
        "give it PairRows");
  }
  const Memory memory = encode(batch.inputs, batch.mask);
  std::vector<StackCache> none;
  // Targets are right-padded, so the causal bias alone hides their padding from every token.
  const Tensor states = decode(batch.decoder_inputs, memory, none);
  return states.reshape({-1, config_.width}).index_select(0, batch.positions);
}

Tensor Seq2Seq::forward(const Batch& batch) { return head(predicted_states(batch)); }

Seq2Seq::States Seq2Seq::states(const Batch& batch) {
  States states;
  const Memory memory =
      encode(batch.inputs, batch.mask, [&](const Tensor& x) { states.encoder.push_back(x); });
  std::vector<StackCache> none;
  decode(batch.decoder_inputs, memory, none, [&](const Tensor& x) { states.decoder.push_back(x); });
  return states;
}

}  // namespace lethe
