// The encoder-decoder on random weights: attention by a second implementation, caches, padding,
// prompts, fresh weights and refusals. Golden values: seq2seq_shared_test.cc.
#include "tests/catch.h"
// After Catch.
#include <cmath>
#include <set>

#include "core/capture.h"
#include "core/prompt.h"
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

const std::vector<Ids>& sources() {
  static const std::vector<Ids> ids = {{5, 9, 3, 17, 8, 1}, {4, 1}, {20, 11, 6, 1}};
  return ids;
}

/// Without the cache: the whole target again for every token.
Ids by_full_forward(Model& model, const Ids& source, int64_t longest, int64_t end_id) {
  const at::NoGradGuard no_grad;
  Ids made;
  while (static_cast<int64_t>(made.size()) < longest) {
    Ids target = made;
    target.push_back(0);  // predicted next
    const Tensor logits = model.forward(pair_batch({source}, {target}));
    const auto next = logits[logits.size(0) - 1].argmax(0).item<int64_t>();
    if (next == end_id) break;
    made.push_back(next);
  }
  return made;
}

Tensor value_of(Model& model, const std::string& name) {
  for (Parameter& parameter : model.parameters()) {
    if (parameter.name == name) return parameter.value.detach();
  }
  throw Error("no parameter is called " + name);
}

const Capture::Site& site(const Capture& capture, const std::string& seam) {
  for (const Capture::Site& site : capture.sites()) {
    if (site.seam != nullptr && site.seam->name() == seam) return site;
  }
  throw Error("no Linear is called " + seam);
}

/// Self-attention of one block by loops over heads, queries and keys.
Tensor naive_attention(Model& model, const std::string& name, const Tensor& x,
                       const Seq2SeqConfig& config, const RelativeBuckets& buckets) {
  const int64_t length = x.size(0), d = config.head_dim;
  const Tensor table = value_of(model, name + ".relative_attention_bias.weight");
  const auto product = [&](const char* part) {
    return x.matmul(value_of(model, name + "." + part + ".weight").t());
  };
  const Tensor q = product("q"), k = product("k"), v = product("v");
  const Tensor mixed = at::zeros({length, config.heads * d});
  for (int64_t head = 0; head < config.heads; ++head) {
    for (int64_t query = 0; query < length; ++query) {
      const int64_t last = buckets.both_ways ? length - 1 : query;
      Tensor scores = at::empty({last + 1});
      for (int64_t key = 0; key <= last; ++key) {
        const auto bucket = buckets.of(at::full({1}, key - query, at::kLong)).item<int64_t>();
        scores[key] = (q[query].narrow(0, head * d, d) * k[key].narrow(0, head * d, d)).sum() +
                      table[bucket][head];
      }
      mixed[query]
          .narrow(0, head * d, d)
          .copy_(scores.softmax(0).matmul(v.narrow(0, 0, last + 1).narrow(1, head * d, d)));
    }
  }
  return mixed.matmul(value_of(model, name + ".o.weight").t());
}

}  // namespace

TEST_CASE("self-attention is that of loops over heads, queries and keys") {
  const auto model = small_seq2seq(true);
  const Seq2SeqConfig& config = model->config();
  // Eleven tokens: distances go beyond the largest that has a bucket of its own.
  const Batch batch =
      pair_batch({{5, 9, 3, 17, 8, 12, 7, 20, 15, 10, 1}}, {{4, 6, 2, 9, 3, 5, 11, 18, 13, 21, 1}});
  const Capture capture(*model, batch);
  const at::NoGradGuard no_grad;
  for (const bool encoder : {true, false}) {
    CAPTURE(encoder);
    const std::string name =
        std::string(encoder ? "encoder" : "decoder") + ".block.0.layer.0.SelfAttention";
    const Tensor expected = naive_attention(*model, name, site(capture, name + ".q").input[0],
                                            config, {config.buckets, config.max_distance, encoder});
    const auto largest = expected.abs().max().item<double>();
    CHECK(largest_difference(site(capture, name + ".o").output[0], expected) < 1e-6 * largest);
    CHECK(largest > 0.1);
  }
}

TEST_CASE("generation with cached keys and values is the arg max of full forwards") {
  for (const bool gated : {false, true}) {
    const auto model = small_seq2seq(gated);
    const auto made = model->generate(sources(), 8, 1);
    for (size_t row = 0; row < made.size(); ++row) {
      CHECK(made[row] == by_full_forward(*model, sources()[row], 8, 1));
    }
    CHECK(made[0] != made[1]);
  }
}

TEST_CASE("drawn text depends on the seed and the row, and a sharp distribution is greedy") {
  const auto model = small_seq2seq(false);
  GenerationOptions options;
  options.longest = 8;
  options.end_ids = {1};
  options.sample = true;
  options.temperature = 3;
  const auto ids = [&] {
    std::vector<Ids> made;
    for (const Generated& row : model->continuations(sources(), options)) made.push_back(row.ids);
    return made;
  };
  const auto once = ids();
  CHECK(ids() == once);
  options.seed = 2;
  CHECK(ids() != once);
  options.temperature = 1e-6;
  CHECK(ids() == model->generate(sources(), 8, 1));
}

TEST_CASE("the decoder reads first the start id that is asked for, without one its own") {
  const auto model = small_seq2seq(false);
  GenerationOptions options;
  options.longest = 8;
  std::set<Ids> different;
  for (const int64_t start : {2, 5, 8, 11, 14, 17, 20, 23}) {
    Seq2SeqConfig config = small_seq2seq_config(false);
    config.start_id = start;
    Seq2Seq own(config, make_generator(5));
    const auto theirs = own.parameters(), ours = model->parameters();
    for (size_t i = 0; i < ours.size(); ++i) theirs[i].value.set_data(ours[i].value);
    options.start_id = start;
    const auto asked = model->continuations(sources(), options);
    options.start_id = -1;
    const auto expected = own.continuations(sources(), options);
    for (size_t row = 0; row < asked.size(); ++row) CHECK(asked[row].ids == expected[row].ids);
    different.insert(asked[0].ids);
  }
  CHECK(different.size() > 1);
  options.start_id = 24;
  CHECK_THROWS_WITH(model->continuations(sources(), options),
                    "generation: start_id is 24, expected an id below 24, the model's vocabulary");
}

TEST_CASE("later targets, other rows and padding change no logits") {
  const auto model = small_seq2seq(true);
  const at::NoGradGuard no_grad;
  const Tensor one = model->forward(pair_batch({{5, 9, 3, 1}}, {{4, 6, 2, 9, 1}}));
  const Tensor other = model->forward(pair_batch({{5, 9, 3, 1}}, {{4, 6, 7, 8, 1}}));
  CHECK(largest_difference(one.narrow(0, 0, 3), other.narrow(0, 0, 3)) < 1e-5);
  CHECK(largest_difference(one.narrow(0, 3, 2), other.narrow(0, 3, 2)) > 1e-2);
  const Batch both =
      pair_batch({{5, 9, 3, 1}, {7, 7, 2, 8, 10, 1}}, {{4, 6, 2, 9, 1}, {3, 3, 5, 9, 4, 8, 1}});
  REQUIRE(both.mask.defined());
  CHECK(largest_difference(model->forward(both).narrow(0, 0, 5), one) < 1e-5);
}

TEST_CASE("virtual tokens that are words' embeddings read as those words of the source") {
  const auto model = small_seq2seq(false), plain = small_seq2seq(false);
  for (Seam* seam : model->seams()) {
    if (auto* prompt = dynamic_cast<Prompt*>(seam)) {
      prompt->set(value_of(*model, "shared.weight").index_select(0, at::tensor({6, 17})));
    }
  }
  const at::NoGradGuard no_grad;
  const Batch batch = pair_batch({{5, 9, 1}, {8, 1}}, {{4, 1}, {3, 1}});
  const Batch longer = pair_batch({{6, 17, 5, 9, 1}, {6, 17, 8, 1}}, {{4, 1}, {3, 1}});
  CHECK(largest_difference(model->forward(batch), plain->forward(longer)) < 1e-5);
  CHECK(largest_difference(model->forward(batch), plain->forward(batch)) > 1e-2);
  CHECK(model->generate({{5, 9, 1}, {8, 1}}, 6, -1) ==
        plain->generate({{6, 17, 5, 9, 1}, {6, 17, 8, 1}}, 6, -1));
}

TEST_CASE("dropout draws in training alone, from the model's generator") {
  const auto model = small_seq2seq(true, 0.3);
  const Batch batch = pair_batch({{5, 9, 3, 1}}, {{4, 6, 2, 9, 1}});
  const at::NoGradGuard no_grad;
  const Tensor plain = model->forward(batch);
  CHECK(plain.equal(small_seq2seq(true, 0)->forward(batch)));
  const auto drawn = [&](uint64_t seed) {
    model->train(true);
    model->set_generator(make_generator(seed));
    const Tensor logits = model->forward(batch);
    model->train(false);
    return logits;
  };
  CHECK(drawn(1).equal(drawn(1)));
  CHECK_FALSE(drawn(1).equal(drawn(2)));
  CHECK(model->forward(batch).equal(plain));
}

TEST_CASE("fresh weights spread as T5's do") {
  Seq2SeqConfig config;
  config.vocabulary = 300;
  config.width = 64;
  config.mlp_width = 256;
  config.heads = 4;
  config.head_dim = 32;
  config.layers = config.decoder_layers = 1;
  config.gated = true;
  config.tied = false;
  config.initial_factor = 0.5;
  Seq2Seq model(config, make_generator(1));
  const std::map<std::string, double> deviations = {
      {"shared", 1},
      {"lm_head", 1},
      {"encoder.block.0.layer.0.SelfAttention.q", std::pow(64 * 32, -0.5)},
      {"encoder.block.0.layer.0.SelfAttention.k", std::pow(64, -0.5)},
      {"decoder.block.0.layer.1.EncDecAttention.v", std::pow(64, -0.5)},
      {"decoder.block.0.layer.1.EncDecAttention.o", std::pow(4 * 32, -0.5)},
      {"decoder.block.0.layer.0.SelfAttention.relative_attention_bias", std::pow(64, -0.5)},
      {"encoder.block.0.layer.1.DenseReluDense.wi_0", std::pow(64, -0.5)},
      {"decoder.block.0.layer.2.DenseReluDense.wi_1", std::pow(64, -0.5)},
      {"decoder.block.0.layer.2.DenseReluDense.wo", std::pow(256, -0.5)}};
  for (const auto& [name, deviation] : deviations) {
    CAPTURE(name);
    const Tensor weight = value_of(model, name + ".weight");
    // Four standard errors of a deviation estimated from so many values.
    const double tolerance = 4 / std::sqrt(2.0 * static_cast<double>(weight.numel()));
    CHECK(weight.std().item<double>() / (0.5 * deviation) == Approx(1).margin(tolerance));
  }
  CHECK(value_of(model, "encoder.final_layer_norm.weight").eq(1).all().item<bool>());
}

TEST_CASE("an encoder-decoder refuses rows of one text and sizes that do not fit") {
  const auto model = small_seq2seq(false);
  CHECK_THROWS_WITH(model->forward(token_batch({3, 4, 5}, 1)),
                    "an encoder-decoder reads sources and targets apart, but these rows hold them "
                    "as one text; give it PairRows");
  Seq2SeqConfig config = small_seq2seq_config(false);
  config.decoder_layers = 0;
  CHECK_THROWS_WITH(Seq2Seq(config, make_generator(1)),
                    "seq2seq: decoder_layers is 0; expected at least 1");
  config = small_seq2seq_config(false);
  config.buckets = 3;
  CHECK_THROWS_WITH(Seq2Seq(config, make_generator(1)),
                    "seq2seq: 3 buckets of relative positions; expected at least 4");
  config.buckets = 18;
  CHECK_THROWS_WITH(
      Seq2Seq(config, make_generator(1)),
      "seq2seq: the largest distance of relative positions is 9, but 18 buckets count "
      "9 distances exactly; expected more than that");
}
