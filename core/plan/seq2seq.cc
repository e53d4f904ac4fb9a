// The encoder-decoder's forward pass on a tape: core/models/seq2seq*.cc.
#include "core/plan/operators.h"

namespace lethe::plan {
namespace {

class Seq2SeqPass {
 public:
  explicit Seq2SeqPass(Operators& ops) : ops_(ops), model_(ops.model), rows_(ops.shapes.rows) {}

  Ghost run() {
    const SeamPlan& shared = *ops_.next();
    const Ghost table = ops_.tape().leaf(Part::workspace, 0, shared.weight);
    const int64_t source = ops_.shapes.length, target = ops_.shapes.target;
    ops_.tape().meter().at("embedding");
    const Ghost memory =
        stack(/*decoder=*/false,
              ops_.behind_prompt(ops_.look_up(shared, table, rows_ * source, /*held=*/true)), {},
              ops_.shapes.sequence());
    const Ghost states = stack(
        /*decoder=*/true, ops_.look_up(shared, table, rows_ * target, model_.tied), memory, target);
    ops_.tape().meter().at("head");
    const Ghost read = ops_.chosen(states, shared.seam.in);
    if (!model_.tied) return ops_.logits(*ops_.next(), read);
    return ops_.logits(shared, ops_.scaled(read));
  }

 private:
  struct Attention {
    const SeamPlan *q, *k, *v, *o;
  };
  struct Block {
    const SeamPlan *own_norm, *memory_norm, *mlp_norm, *in, *linear_in, *out;
    Attention own, memory;
  };
  struct Stack {
    const SeamPlan *relative, *final_norm;
    std::vector<Block> blocks;
  };

  Attention attention_seams() {
    const SeamPlan *q = ops_.next(), *k = ops_.next(), *v = ops_.next();
    return {q, k, v, ops_.next()};
  }

  Stack stack_seams(bool decoder) {
    Stack made{};
    made.relative = ops_.next();
    const int64_t layers = decoder ? model_.decoder_layers : model_.layers;
    for (int64_t i = 0; i < layers; ++i) {
      Block block{};
      block.own_norm = ops_.next();
      block.own = attention_seams();
      block.memory_norm = ops_.next_if(decoder);
      if (decoder) block.memory = attention_seams();
      block.mlp_norm = ops_.next();
      block.in = ops_.next();
      block.linear_in = ops_.next_if(model_.gated);
      block.out = ops_.next();
      made.blocks.push_back(block);
    }
    made.final_norm = ops_.next();
    return made;
  }

  /// (1, heads, T, T), the decoder's masked; with padding one for every row of the encoder's.
  Ghost position_bias(const SeamPlan& relative, bool decoder, int64_t length) {
    Ghost bias = ops_.look_up(relative, length * length, length * length);
    Effect effect;
    if (decoder) effect.saves_more = length * length;  // which tokens are later ones
    effect.bytes = bias.bytes * (decoder ? 1 : rows_);
    if (decoder || ops_.request.padded) bias = ops_.tape().run({{bias, bias.bytes}}, effect);
    bias.storage->shared = true;
    return bias;
  }

  Ghost stack(bool decoder, const Ghost& embedded, const Ghost& memory, int64_t length) {
    Stack& seams = stacks_[decoder ? 1 : 0] = stack_seams(decoder);
    std::vector<Ghost> inputs = {embedded, position_bias(*seams.relative, decoder, length)};
    if (decoder) inputs.push_back(memory);
    const Ghost x = ops_.blocks(inputs, static_cast<int64_t>(seams.blocks.size()),
                                [this, &seams, length](int64_t i, std::vector<Ghost>& given) {
                                  return layer(seams.blocks[static_cast<size_t>(i)], given, length);
                                });
    return ops_.norm(*seams.final_norm, x);
  }

  Ghost layer(const Block& block, const std::vector<Ghost>& inputs, int64_t length) {
    Ghost x = inputs[0];
    const Ghost normed = ops_.norm(*block.own_norm, x);
    x = ops_.add(x, attention(block.own, normed, normed, inputs[1], length, length));
    if (inputs.size() > 2) {
      x = ops_.add(x, attention(block.memory, ops_.norm(*block.memory_norm, x), inputs[2],
                                memory_bias(), length, ops_.shapes.sequence()));
    }
    return ops_.add(x, mlp(block, ops_.norm(*block.mlp_norm, x)));
  }

  Ghost mlp(const Block& block, const Ghost& normed) {
    Ghost inner = ops_.linear(*block.in, normed);
    inner = block.linear_in == nullptr ? ops_.activated(inner)
                                       : ops_.gated(inner, ops_.linear(*block.linear_in, normed));
    return ops_.linear(*block.out, inner);
  }

  /// What hides the source's padding from the decoder, (B, 1, 1, S).
  Ghost memory_bias() {
    if (!ops_.request.padded) return {};
    return ops_.tape().leaf(Part::activations, ops_.bytes_of(rows_ * ops_.shapes.sequence()));
  }

  Ghost attention(const Attention& seams, const Ghost& x, const Ghost& read, const Ghost& bias,
                  int64_t queries, int64_t keys) {
    Heads heads;
    heads.k = ops_.linear(*seams.k, read);
    heads.v = ops_.linear(*seams.v, read);
    heads.q = ops_.linear(*seams.q, x);
    return ops_.linear(*seams.o,
                       ops_.plain_attention(heads, bias, rows_ * model_.heads * queries * keys));
  }

  Operators& ops_;
  const ModelFacts& model_;
  int64_t rows_;
  Stack stacks_[2];
};

}  // namespace

Ghost seq2seq_pass(Operators& ops) {
  const auto pass = std::make_shared<Seq2SeqPass>(ops);
  ops.keep(pass);
  return pass->run();
}

}  // namespace lethe::plan
