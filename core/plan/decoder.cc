// The decoder's forward pass on a tape: core/models/decoder.cc and attention.cc.
#include "core/kernels/attention.h"
#include "core/plan/operators.h"

namespace lethe::plan {
namespace {

class DecoderPass {
 public:
  explicit DecoderPass(Operators& ops)
      : ops_(ops), model_(ops.model), tokens_(ops.shapes.rows * ops.shapes.sequence()) {}

  Ghost run() {
    const SeamPlan& table = *ops_.next();
    const Ghost places = ops_.tape().leaf(Part::activations, 8 * ops_.shapes.sequence());
    Ghost x = embedded(table);
    for (int64_t i = 0; i < model_.layers; ++i) blocks_.push_back(block());
    attention_inputs();
    std::vector<Ghost> inputs;  // no list, which would hold a copy
    inputs.push_back(std::move(x));
    x = ops_.blocks(std::move(inputs), model_.layers, [this](int64_t i, std::vector<Ghost>& given) {
      return layer(blocks_[static_cast<size_t>(i)], std::move(given[0]));
    });
    ops_.tape().meter().at("head");
    if (model_.final_norm) x = ops_.norm(*ops_.next(), x);
    int64_t width = blocks_[0].attention_norm->seam.in;
    if (model_.projected_out) {
      x = ops_.linear(*ops_.next(), x);
      width = table.seam.in;
    }
    if (ops_.shapes.prompt > 0) x = without_prompt(x, width);
    const SeamPlan& head = model_.tied ? table : *ops_.next();
    return ops_.logits(head, ops_.chosen(x, width));
  }

 private:
  struct Block {
    const SeamPlan *attention_norm, *qkv, *q, *k, *v, *out, *mlp_norm, *gate, *up, *down;
  };

  Block block() {
    Block made{};
    made.attention_norm = ops_.next();
    made.qkv = ops_.next_if(model_.fused);
    made.q = ops_.next_if(!model_.fused);
    made.k = ops_.next_if(!model_.fused);
    made.v = ops_.next_if(!model_.fused);
    made.out = ops_.next();
    made.mlp_norm = ops_.next();
    made.gate = ops_.next_if(model_.gated);
    made.up = ops_.next();
    made.down = ops_.next();
    return made;
  }

  Ghost embedded(const SeamPlan& table) {
    ops_.tape().meter().at("embedding");
    Ghost x = ops_.look_up(table, ops_.shapes.rows * ops_.shapes.length);
    x = ops_.behind_prompt(x);
    const SeamPlan* positions = ops_.next_if(model_.learned_positions);
    const SeamPlan* project = ops_.next_if(model_.projected);
    if (project != nullptr) x = ops_.linear(*project, x);
    if (positions != nullptr)
      x = ops_.add(x, ops_.look_up(*positions, ops_.shapes.sequence(), ops_.shapes.sequence()));
    if (model_.embedding_norm) x = ops_.norm(*ops_.next(), x);
    return x;
  }

  /// The rows' own tokens, copied.
  Ghost without_prompt(const Ghost& x, int64_t width) {
    Effect effect;
    effect.bytes = ops_.bytes_of(ops_.shapes.rows * ops_.shapes.length * width);
    return ops_.tape().run({{x, x.bytes}}, effect);
  }

  /// What all blocks share: ALiBi's bias, the cosines and sines of rotary positions.
  void attention_inputs() {
    const int64_t t = ops_.shapes.sequence();
    const auto shared = [this](int64_t values) {
      Ghost made = ops_.tape().leaf(Part::activations, ops_.bytes_of(values));
      made.storage->shared = true;
      return made;
    };
    if (model_.alibi) bias_ = shared(model_.heads * t * t);
    if (model_.rotary) {
      cos_ = shared(t * model_.head_dim);
      sin_ = shared(t * model_.head_dim);
    }
  }

  Ghost layer(const Block& block, Ghost x) {
    if (model_.norm_first) {
      x = ops_.add(x, attention(block, ops_.norm(*block.attention_norm, x)));
      return ops_.add(x, mlp(block, ops_.norm(*block.mlp_norm, x)));
    }
    x = ops_.norm(*block.attention_norm, ops_.add(x, attention(block, x)));
    return ops_.norm(*block.mlp_norm, ops_.add(x, mlp(block, x)));
  }

  Ghost mlp(const Block& block, const Ghost& x) {
    if (block.gate == nullptr) {
      return ops_.linear(*block.down, ops_.activated(ops_.linear(*block.up, x)));
    }
    Ghost inner = ops_.linear(*block.gate, x);
    inner = ops_.gated(inner, ops_.linear(*block.up, x));
    return ops_.linear(*block.down, inner);
  }

  Ghost attention(const Block& block, const Ghost& x) {
    // core/models/causal_attention.cc shares keys and values between heads, and makes the gradient
    // of a fused product as one, on the CPU.
    const bool shares =
        !bias_.storage && model_.head_dim <= kernels::kWidestHead && ops_.shapes.value == 4;
    const int64_t queries = tokens_ * model_.heads;
    if (shares && block.qkv != nullptr) {
      return ops_.linear(*block.out, ops_.fused_attention(ops_.linear(*block.qkv, x), queries));
    }
    Heads heads = project(block, x);
    if (model_.rotary) {
      heads.q = rotated(heads.q);
      heads.k = rotated(heads.k);
    }
    if (model_.kv_heads != model_.heads && !shares) {
      heads.k = repeated(heads.k);
      heads.v = repeated(heads.v);
    }
    return ops_.linear(*block.out, ops_.fused_attention(heads, bias_, queries));
  }

  Heads project(const Block& block, const Ghost& x) {
    if (block.qkv == nullptr) {
      return {ops_.linear(*block.q, x), ops_.linear(*block.k, x), ops_.linear(*block.v, x)};
    }
    // The gradient of each third is laid into zeros as large as all three.
    const Ghost all = ops_.linear(*block.qkv, x);
    const int64_t third = all.bytes / 3;
    Heads heads;
    heads.q = ops_.view(all, third, all.bytes);
    heads.k = ops_.view(all, third, all.bytes);
    heads.v = ops_.view(all, third, all.bytes);
    return heads;
  }

  /// core/models/rotary.cc, on the CPU: only cosines and sines are kept, which are shared.
  Ghost rotated(const Ghost& x) {
    Effect effect;
    effect.bytes = x.bytes;
    effect.saved = {cos_, sin_};
    return ops_.tape().run({{x, x.bytes}}, effect);
  }

  /// Each key and value head for all its queries; the gradient is summed back.
  Ghost repeated(const Ghost& x) {
    Effect effect;
    effect.bytes = x.bytes * (model_.heads / model_.kv_heads);
    return ops_.tape().run({{x, x.bytes}}, effect);
  }

  Operators& ops_;
  const ModelFacts& model_;
  int64_t tokens_;
  std::vector<Block> blocks_;
  Ghost bias_, cos_, sin_;
};

}  // namespace

Ghost decoder_pass(Operators& ops) {
  const auto pass = std::make_shared<DecoderPass>(ops);
  ops.keep(pass);
  return pass->run();
}

}  // namespace lethe::plan
