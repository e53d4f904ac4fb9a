// Forms of decoders that no golden file has: opt-350m's, classification heads, dropouts, fresh
// weights; each against a plain second computation or by its statistics.
#include "tests/catch.h"
// After Catch.
#include "tests/hf_folder.h"

using namespace lethe;

namespace {

/// The parameter of that name.
Tensor of(Model& model, const std::string& name) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.name == name) return parameter.value.detach();
  }
  throw std::runtime_error("no parameter " + name);
}

Tensor affine(Model& model, const std::string& name, const Tensor& x) {
  return at::matmul(x, of(model, name + ".weight").t()) + of(model, name + ".bias");
}

Tensor layer_norm(Model& model, const std::string& name, const Tensor& x) {
  const Tensor mean = x.mean(-1, true);
  const Tensor variance = (x - mean).pow(2).mean(-1, true);
  return (x - mean) / (variance + 1e-5).sqrt() * of(model, name + ".weight") +
         of(model, name + ".bias");
}

/// Attention of 4 heads of width 2 as OPT writes it: the query scaled after its projection.
Tensor attention(Model& model, const std::string& layer, const Tensor& x) {
  const Tensor q = affine(model, layer + ".self_attn.q_proj", x) / std::sqrt(2.0);
  const Tensor k = affine(model, layer + ".self_attn.k_proj", x);
  const Tensor v = affine(model, layer + ".self_attn.v_proj", x);
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < 4; ++h) {
    const auto part = [h](const Tensor& t) { return t.narrow(1, 2 * h, 2); };
    Tensor scores = at::matmul(part(q), part(k).t());
    const Tensor future = at::ones_like(scores).triu(1).to(at::kBool);
    scores = scores.masked_fill(future, -1e30);
    heads.push_back(at::matmul(scores.softmax(-1), part(v)));
  }
  return affine(model, layer + ".self_attn.out_proj", at::cat(heads, 1));
}

/// opt-350m: norms after the residual sums, no norm at the top, projections around the width.
Tensor opt_350m(Model& model, const std::vector<int64_t>& ids) {
  const std::string top = "model.decoder.";
  Tensor x = of(model, top + "embed_tokens.weight").index_select(0, at::tensor(ids));
  x = at::matmul(x, of(model, top + "project_in.weight").t());
  const auto places = at::arange(2, 2 + static_cast<int64_t>(ids.size()), at::kLong);
  x = x + of(model, top + "embed_positions.weight").index_select(0, places);
  for (const char* number : {"0", "1"}) {
    const std::string layer = top + "layers." + number;
    x = layer_norm(model, layer + ".self_attn_layer_norm", x + attention(model, layer, x));
    const Tensor inner = affine(model, layer + ".fc1", x).relu();
    x = layer_norm(model, layer + ".final_layer_norm", x + affine(model, layer + ".fc2", inner));
  }
  x = at::matmul(x, of(model, top + "project_out.weight").t());
  return at::matmul(x, of(model, top + "embed_tokens.weight").t());
}

const std::string k350m = R"(, "word_embed_proj_dim": 6, "do_layer_norm_before": false)";

bool same(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.eq(b).sum().item<int64_t>() == a.numel();
}

Batch batch_of(const Tensor& ids, const Tensor& mask) {
  Batch batch;
  batch.inputs = ids;
  batch.mask = mask;
  batch.targets = at::tensor({1, 0});
  return batch;
}

}  // namespace

TEST_CASE("opt-350m's form is post-norm, without a final norm, with projected embeddings") {
  const Scratch scratch;
  const auto model = write_folder(scratch, opt_text(k350m));
  const std::vector<int64_t> ids = {3, 7, 12, 2, 9};
  const at::NoGradGuard no_grad;
  const Tensor theirs = opt_350m(*model, ids);
  CHECK((row_logits(*model, ids) - theirs).abs().max().item<double>() < 1e-4);
  CHECK(theirs.abs().max().item<double>() > 1);
  const auto made = model->generate({{3, 7}, {12, 2, 9}}, 4, -1);
  CHECK(made[0][0] == opt_350m(*model, {3, 7})[1].argmax().item<int64_t>());
  CHECK(made[1][0] == opt_350m(*model, {12, 2, 9})[2].argmax().item<int64_t>());
}

TEST_CASE("a classification head reads the last token of every row") {
  const std::string labels =
      R"(, "architectures": ["LlamaForSequenceClassification"],
           "id2label": {"0": "a", "1": "b", "2": "c"})";
  const Scratch scratch;
  const auto model = write_folder(scratch, llama_text(labels));
  const Tensor ids = at::tensor({3, 7, 12, 2, 9, 5, 0, 0}).view({2, 4});
  const Tensor mask = at::tensor({1, 1, 1, 1, 1, 1, 0, 0}).view({2, 4}).to(at::kBool);
  const at::NoGradGuard no_grad;
  const Tensor logits = model->forward(batch_of(ids, mask));
  CHECK(logits.sizes() == at::IntArrayRef({2, 3}));
  CHECK(of(*model, "score.weight").sizes() == at::IntArrayRef({3, 8}));
  const Tensor first = row_logits(*model, {3, 7, 12, 2})[3];
  const Tensor second = row_logits(*model, {9, 5})[1];
  CHECK((logits[0] - first).abs().max().item<double>() < 1e-5);
  CHECK((logits[1] - second).abs().max().item<double>() < 1e-5);
  CHECK((logits[0] - logits[1]).abs().max().item<double>() > 1e-2);
  CHECK_THROWS_WITH(
      model->generate({{1}}, 3, -1),
      "a classifier of 3 labels does not generate text; open the folder of a language "
      "model");
}

TEST_CASE("dropouts of the config count only where they are asked for, and only in training") {
  const Scratch scratch;
  write_folder(scratch, gpt2_text(R"(, "attn_pdrop": 0.5, "embd_pdrop": 0, "resid_pdrop": 0)"));
  const auto plain = open_folder(scratch);
  const auto dropping = open_folder(scratch, "checkpoint", "config");
  const std::vector<int64_t> ids = {3, 7, 12, 2, 9};
  const Tensor expected = row_logits(*plain, ids);
  plain->train(true);
  CHECK(same(row_logits(*plain, ids), expected));
  CHECK(same(row_logits(*dropping, ids), expected));
  dropping->train(true);
  dropping->set_generator(make_generator(1));
  const Tensor once = row_logits(*dropping, ids);
  CHECK((once - expected).abs().max().item<double>() > 1e-2);
  dropping->set_generator(make_generator(1));
  CHECK(same(row_logits(*dropping, ids), once));
}

TEST_CASE("random initialisation has the family's own deviation and zero biases") {
  const Scratch scratch;
  scratch.write("config.json",
                R"({"model_type": "gpt2", "vocab_size": 2000, "n_embd": 64, "n_layer": 8,
                    "n_head": 4, "initializer_range": 0.05})");
  const auto model = open_folder(scratch, "random");
  const auto deviation = [&](const std::string& name) {
    return std::sqrt(of(*model, name).pow(2).mean().item<double>());
  };
  CHECK(deviation("transformer.wte.weight") == Approx(0.05).epsilon(0.02));
  CHECK(deviation("transformer.wpe.weight") == Approx(0.05).epsilon(0.02));
  CHECK(deviation("transformer.h.3.attn.c_attn.weight") == Approx(0.05).epsilon(0.03));
  CHECK(deviation("transformer.h.3.mlp.c_proj.weight") == Approx(0.05 / 4).epsilon(0.03));
  CHECK(deviation("transformer.h.3.mlp.c_proj.bias") == 0);
  CHECK(same(of(*model, "transformer.ln_f.weight"), at::ones({64})));
  scratch.write("config.json", llama_text(R"(, "initializer_range": 0.1)"));
  const auto llama = open_folder(scratch, "random");
  CHECK(std::sqrt(of(*llama, "model.layers.1.mlp.down_proj.weight").pow(2).mean().item<double>()) ==
        Approx(0.1).epsilon(0.3));
}
