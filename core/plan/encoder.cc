// The encoder's forward pass on a tape: core/models/encoder.cc.
#include "core/plan/operators.h"

namespace lethe::plan {
namespace {

class EncoderPass {
 public:
  explicit EncoderPass(Operators& ops)
      : ops_(ops), model_(ops.model), tokens_(ops.shapes.rows * ops.shapes.length) {}

  Ghost run() {
    ops_.tape().meter().at("embedding");
    const SeamPlan &words = *ops_.next(), &positions = *ops_.next(), &types = *ops_.next();
    Ghost x =
        ops_.norm(*ops_.next(),
                  ops_.add(ops_.add(ops_.look_up(words, tokens_),
                                    ops_.look_up(types, ops_.shapes.length, ops_.shapes.length)),
                           ops_.look_up(positions, ops_.shapes.length, ops_.shapes.length)));
    for (int64_t i = 0; i < model_.layers; ++i) layers_.push_back(layer());
    if (ops_.request.padded) {
      bias_ = ops_.tape().leaf(Part::activations, ops_.bytes_of(tokens_));
      bias_.storage->shared = true;
    }
    std::vector<Ghost> inputs;  // no list, which would hold a copy
    inputs.push_back(std::move(x));
    x = ops_.blocks(std::move(inputs), model_.layers, [this](int64_t i, std::vector<Ghost>& given) {
      return forward(layers_[static_cast<size_t>(i)], std::move(given[0]));
    });
    ops_.tape().meter().at("head");
    const SeamPlan &pooler = *ops_.next(), &classifier = *ops_.next();
    Effect tanh;
    tanh.bytes = ops_.bytes_of(ops_.shapes.predicted * pooler.seam.out);
    tanh.saves_result = true;
    const Ghost first = ops_.chosen(x, pooler.seam.in);
    return ops_.logits(classifier,
                       ops_.tape().run({{ops_.linear(pooler, first), tanh.bytes}}, tanh));
  }

 private:
  struct Layer {
    const SeamPlan *query, *key, *value, *out, *attention_norm, *up, *down, *mlp_norm;
  };

  Layer layer() {
    Layer made{};
    for (const SeamPlan** seam : {&made.query, &made.key, &made.value, &made.out,
                                  &made.attention_norm, &made.up, &made.down, &made.mlp_norm}) {
      *seam = ops_.next();
    }
    return made;
  }

  Ghost forward(const Layer& layer, const Ghost& x) {
    Heads heads;
    heads.q = ops_.linear(*layer.query, x);
    heads.k = ops_.linear(*layer.key, x);
    heads.v = ops_.linear(*layer.value, x);
    const Ghost mixed = ops_.fused_attention(heads, bias_, tokens_ * model_.heads);
    const Ghost read =
        ops_.norm(*layer.attention_norm, ops_.add(x, ops_.linear(*layer.out, mixed)));
    const Ghost inner = ops_.activated(ops_.linear(*layer.up, read));
    return ops_.norm(*layer.mlp_norm, ops_.add(read, ops_.linear(*layer.down, inner)));
  }

  Operators& ops_;
  const ModelFacts& model_;
  int64_t tokens_;
  std::vector<Layer> layers_;
  Ghost bias_;
};

}  // namespace

Ghost encoder_pass(Operators& ops) {
  const auto pass = std::make_shared<EncoderPass>(ops);
  ops.keep(pass);
  return pass->run();
}

}  // namespace lethe::plan
