// How text is continued: drawing, ends, stops, limits.
#include "tests/catch.h"
// After Catch.
#include <limits>
#include <set>

#include "core/error.h"
#include "core/models/decoder.h"
#include "core/models/hf_decoder.h"
#include "tests/engine_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

GenerationOptions sampling(double temperature, int64_t top_k, double top_p) {
  GenerationOptions options;
  options.sample = true;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  return options;
}

/// How often each of four tokens with probabilities .1, .2, .3, .4 is drawn in 4,000.
std::vector<double> shares(const GenerationOptions& options) {
  const float logits[] = {std::log(.1F), std::log(.2F), std::log(.3F), std::log(.4F)};
  Random random(5);
  std::vector<double> counts(4);
  for (int i = 0; i < 4000; ++i) {
    counts[static_cast<size_t>(draw_token(logits, 4, options, random))] += 1 / 4000.0;
  }
  return counts;
}

void check_shares(const std::vector<double>& found, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == 0) {
      CHECK(found[i] == 0);
    } else {
      CHECK(std::abs(found[i] - expected[i]) < 0.03);  // 3.9 standard deviations of .5
    }
  }
}

std::unique_ptr<Decoder> decoder(int64_t max_length = 32, const std::string& family = "gpt2") {
  DecoderConfig config = family_config(family);
  config.vocabulary = 24;
  config.width = 16;
  config.head_dim = 4;
  config.mlp_width = 32;
  config.max_length = max_length;
  config.deviation = 2;
  return std::make_unique<Decoder>(config, make_generator(3));
}

const std::vector<Ids> kPrompts = {{3, 5}, {7, 9, 11, 13}, {2}};

/// How many tokens are made after each of kPrompts.
std::vector<size_t> lengths(Decoder& model, const GenerationOptions& options) {
  std::vector<size_t> made;
  for (const Generated& row : model.continuations(kPrompts, options)) {
    CHECK_FALSE(row.ended);
    made.push_back(row.ids.size());
  }
  return made;
}

}  // namespace

TEST_CASE("tokens are drawn with the softmax of logits over the temperature") {
  check_shares(shares(sampling(1, 0, 1)), {.1, .2, .3, .4});
  // Squares of the probabilities: .01, .04, .09, .16 over .3.
  check_shares(shares(sampling(.5, 0, 1)), {.0333, .1333, .3, .5333});
  check_shares(shares(sampling(.01, 0, 1)), {0, 0, 0, 1});
}

TEST_CASE("top-k keeps the k likeliest, and top-p the fewest that hold the probability") {
  check_shares(shares(sampling(1, 2, 1)), {0, 0, .4286, .5714});
  check_shares(shares(sampling(1, 1, 1)), {0, 0, 0, 1});
  check_shares(shares(sampling(1, 9, 1)), {.1, .2, .3, .4});
  check_shares(shares(sampling(1, 0, .69)), {0, 0, .4286, .5714});
  check_shares(shares(sampling(1, 0, .71)), {0, .2222, .3333, .4444});
  check_shares(shares(sampling(1, 0, 1e-9)), {0, 0, 0, 1});
  // Top-p counts among what top-k kept: .4 / .7 is above .5.
  check_shares(shares(sampling(1, 2, .5)), {0, 0, 0, 1});
  const float tied[] = {1, 1, 1, 0};
  Random random(1);
  std::vector<bool> seen(4);
  for (int i = 0; i < 200; ++i) {
    seen[static_cast<size_t>(draw_token(tied, 4, sampling(1, 1, 1), random))] = true;
  }
  CHECK(seen == std::vector<bool>{true, true, true, false});
}

TEST_CASE("settings of sampling outside their range are refused") {
  const auto refused = [](const GenerationOptions& options) {
    Continuation(std::vector<Ids>(1), options);
  };
  CHECK_THROWS_WITH(
      refused(sampling(0, 0, 1)),
      "generation: temperature is 0, expected above 0; greedy text needs no sampling");
  CHECK_THROWS_WITH(refused(sampling(1, -1, 1)), "generation: top_k is -1, expected 0 or more");
  CHECK_THROWS_WITH(refused(sampling(1, 0, 0)), "generation: top_p is 0, expected in (0, 1]");
  CHECK_THROWS_WITH(refused(sampling(1, 0, 1.5)), "generation: top_p is 1.5, expected in (0, 1]");
  GenerationOptions options;
  options.repetition_penalty = 0;
  CHECK_THROWS_WITH(refused(options),
                    "generation: repetition_penalty is 0, expected above 0; 1 changes nothing");
  options.repetition_penalty = 1;
  options.no_repeat_ngram = -1;
  CHECK_THROWS_WITH(refused(options), "generation: no_repeat_ngram_size is -1, expected 0 or more");
}

TEST_CASE("a repetition penalty divides what is above 0 and multiplies what is below, once an id") {
  std::vector<float> logits = {3, -2, 1, 0, 4};
  discourage_repeats(logits.data(), 5, {1, 4, 4, 3, 99, -1}, 2);
  CHECK(logits == std::vector<float>{3, -4, 1, 0, 2});
  discourage_repeats(logits.data(), 5, {0, 1}, .5);
  CHECK(logits == std::vector<float>{6, -2, 1, 0, 2});
}

TEST_CASE("an id that would end a run a second time is ruled out") {
  const float no = -std::numeric_limits<float>::infinity();
  const auto left = [](const Ids& text, int64_t ngram) {
    std::vector<float> logits = {0, 1, 2, 3};
    forbid_repeats(logits.data(), 4, text, ngram);
    return logits;
  };
  CHECK(left({1, 3, 1}, 1) == std::vector<float>{0, no, 2, no});
  CHECK(left({1, 3, 1, 2, 1}, 2) == std::vector<float>{0, 1, no, no});
  CHECK(left({1, 3, 0, 2, 1, 3}, 3) == std::vector<float>{no, 1, 2, 3});
  CHECK(left({1, 3, 0, 2, 1}, 3) == std::vector<float>{0, 1, 2, 3});
  CHECK(left({1}, 2) == std::vector<float>{0, 1, 2, 3});
  CHECK(left({1}, 3) == std::vector<float>{0, 1, 2, 3});
  CHECK(left({}, 1) == std::vector<float>{0, 1, 2, 3});
  CHECK(left({1, 99, 1}, 2) == std::vector<float>{0, 1, 2, 3});
}

TEST_CASE("rows that avoid repeats do so by their own text, greedy or drawn") {
  const auto model = decoder();
  GenerationOptions options;
  options.longest = 12;
  options.no_repeat_ngram = 1;
  for (const bool sample : {false, true}) {
    options.sample = sample;
    options.first_row = 0;
    const auto all = model->continuations(kPrompts, options);
    for (size_t row = 0; row < kPrompts.size(); ++row) {
      Ids text = kPrompts[row];
      text.insert(text.end(), all[row].ids.begin(), all[row].ids.end());
      CHECK(std::set<int64_t>(text.begin(), text.end()).size() == text.size());
      options.first_row = static_cast<int64_t>(row);
      CHECK(model->continuations({kPrompts[row]}, options)[0].ids == all[row].ids);
    }
  }
}

TEST_CASE("a seed gives the same text, and no row's text depends on the others") {
  const auto model = decoder();
  GenerationOptions options = sampling(1, 0, 1);
  options.longest = 8;
  const auto all = model->continuations(kPrompts, options);
  const auto again = model->continuations(kPrompts, options);
  for (size_t row = 0; row < kPrompts.size(); ++row) {
    CHECK(all[row].ids == again[row].ids);
    GenerationOptions alone = options;
    alone.first_row = static_cast<int64_t>(row);
    CHECK(model->continuations({kPrompts[row]}, alone)[0].ids == all[row].ids);
  }
  options.seed = 2;
  const auto others = model->continuations(kPrompts, options);
  bool differs = false;
  for (size_t row = 0; row < kPrompts.size(); ++row) {
    differs = differs || others[row].ids != all[row].ids;
  }
  CHECK(differs);
}

TEST_CASE("every end id ends a row, and a stop ends it with what it has") {
  const auto model = decoder();
  GenerationOptions options;
  options.longest = 6;
  const auto free = model->continuations(kPrompts, options);
  const Ids& first = free[0].ids;
  REQUIRE(first.size() == 6);
  CHECK_FALSE(free[0].ended);
  options.end_ids = {99, first[2]};
  const auto ended = model->continuations(kPrompts, options);
  const auto at = std::find(first.begin(), first.end(), first[2]);
  CHECK(ended[0].ids == Ids(first.begin(), at));
  CHECK(ended[0].ended);
  options.end_ids.clear();
  options.stop = [](size_t row, const Ids& ids) { return row == 0 && ids.size() == 4; };
  const auto stopped = model->continuations(kPrompts, options);
  CHECK(stopped[0].ids == Ids(first.begin(), first.begin() + 4));
  CHECK(stopped[0].ended);
  CHECK(stopped[1].ids == free[1].ids);
}

TEST_CASE("a row ends with its own last position, and a longer prompt is refused") {
  GenerationOptions options;
  options.longest = 10;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const auto model = decoder(6, family);
    CHECK(model->longest_prompt() == 6);
    // Positions 0 to 5: of n tokens in the prompt, 6 - n + 1 can follow.
    CHECK(lengths(*model, options) == std::vector<size_t>{5, 3, 6});
    const auto made = model->continuations(kPrompts, options);
    for (size_t row = 0; row < kPrompts.size(); ++row) {
      CHECK(model->continuations({kPrompts[row]}, options)[0].ids == made[row].ids);
    }
    CHECK_THROWS_WITH(model->continuations({{1}, {1, 2, 3, 4, 5, 6, 7}}, options),
                      "prompt 2 has 7 tokens, and the model takes 6; shorten it");
    CHECK(model->continuations({}, options).empty());
  }
}

TEST_CASE("a sliding window ends rows as positions do, and a decoder without a limit goes on") {
  const auto folder_model = [](const std::string& type) {
    const HfConfig file =
        HfConfig::parse(R"({"model_type": ")" + type + R"(", "vocab_size": 24, "hidden_size": 16,
            "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
            "max_position_embeddings": 64, "sliding_window": 6})",
                        "config.json");
    return std::make_unique<Decoder>(decoder_config(file), make_generator(3));
  };
  GenerationOptions options;
  options.longest = 10;
  const auto mistral = folder_model("mistral");
  CHECK(lengths(*mistral, options) == std::vector<size_t>{5, 3, 6});
  CHECK_THROWS_WITH(mistral->continuations({{1, 2, 3, 4, 5, 6, 7}}, options),
                    "prompt 1 has 7 tokens, and the model takes 6; shorten it");
  CHECK(lengths(*folder_model("llama"), options) == std::vector<size_t>{10, 10, 10});
  const auto endless = decoder(0, "bloom");
  CHECK_FALSE(endless->longest_prompt());
  CHECK(lengths(*endless, options) == std::vector<size_t>{10, 10, 10});
}

TEST_CASE("a limit of the whole row counts its own prompt, and the nearer limit holds") {
  GenerationOptions options;
  options.longest = 10;
  options.longest_row = 5;
  CHECK(lengths(*decoder(6), options) == std::vector<size_t>{3, 1, 4});
  options.longest_row = 4;
  CHECK(lengths(*decoder(6), options) == std::vector<size_t>{2, 0, 3});
  options.longest_row = 20;
  CHECK(lengths(*decoder(6), options) == std::vector<size_t>{5, 3, 6});
  options.longest = 2;
  CHECK(lengths(*decoder(6), options) == std::vector<size_t>{2, 2, 2});
}
