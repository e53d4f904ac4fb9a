// Greedy generation against transformers' (../shared/fixtures/hf), and the pretrained model
// stories260K (../shared/data/checkpoints).
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "tests/hf_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

/// What was generated after the prompts, which all have `prompt` tokens with their padding.
std::vector<Ids> continued(const nlohmann::json& sequences, size_t prompt) {
  std::vector<Ids> rows;
  for (const auto& sequence : sequences) {
    const Ids ids = sequence.get<Ids>();
    rows.emplace_back(ids.begin() + static_cast<int64_t>(prompt), ids.end());
  }
  return rows;
}

GenerationOptions twelve(int64_t end_id, int64_t pad_id) {
  GenerationOptions options;
  options.longest = 12;
  options.end_ids = {end_id};
  options.pad_id = pad_id;
  return options;
}

}  // namespace

TEST_CASE("greedy generation is transformers', one row and a left-padded batch") {
  if (no_hf_fixtures()) return;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const HfCase given(family);
    const auto& facts = given.facts["generate"];
    const auto prompts = unpadded(given.ids, given.mask);
    const size_t padded = static_cast<size_t>(given.ids.size(1));
    const auto& left = facts["left_padded"];
    const GenerationOptions options =
        twelve(left["eos_token_id"].get<int64_t>(), left["pad_token_id"].get<int64_t>());
    const auto alone = given.model->continuations({prompts[0]}, options);
    CHECK(alone[0].ids == continued(facts["row0"]["sequences"], prompts[0].size())[0]);
    const auto batch = given.model->continuations(prompts, options);
    const auto theirs = continued(left["sequences"], padded);
    for (size_t row = 0; row < prompts.size(); ++row) {
      CHECK(batch[row].ids == theirs[row]);
      CHECK_FALSE(batch[row].ended);
    }
  }
}

TEST_CASE("rows that meet the end mark stop, and the others go on as without them") {
  if (no_hf_fixtures()) return;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama"}) {
    CAPTURE(family);
    const HfCase given(family);
    const auto& facts = given.facts["generate"]["eos_stop"];
    const auto end = facts["eos_token_id"].get<int64_t>();
    const auto pad = facts["pad_token_id"].get<int64_t>();
    const auto made = given.model->continuations(unpadded(given.ids, given.mask), twelve(end, pad));
    const auto theirs = continued(facts["sequences"], static_cast<size_t>(given.ids.size(1)));
    size_t ended = 0;
    for (size_t row = 0; row < made.size(); ++row) {
      Ids whole = made[row].ids;
      if (made[row].ended) whole.push_back(end);
      whole.resize(theirs[row].size(), pad);
      CHECK(whole == theirs[row]);
      ended += made[row].ended;
    }
    CHECK(ended > 0);
  }
}

TEST_CASE("qwen2 and bf16 weights generate as in transformers") {
  if (no_hf_fixtures()) return;
  const HfCase qwen("qwen2");
  const auto row = unpadded(qwen.ids, qwen.mask)[0];
  const auto theirs = continued(qwen.facts["generate_row0"], row.size())[0];
  CHECK(qwen.model->continuations({row}, twelve(-1, 0))[0].ids == theirs);
  const HfCase half("llama_bf16");
  const Ids sequence = id_rows(half.tensor("generate.row0.sequences"))[0];
  const auto prompt = unpadded(half.ids, half.mask)[0];
  const auto made = half.model->continuations({prompt}, twelve(2, 0))[0].ids;
  CHECK(made == Ids(sequence.begin() + static_cast<int64_t>(prompt.size()), sequence.end()));
}

TEST_CASE("stories260K has its published logits, text and loss") {
  const auto folder = shared_path("data/checkpoints/stories260K_hf");
  if (!folder) return;
  PretrainedOptions options;
  options.path = folder->string();
  const auto model = open_pretrained(options, {});
  CHECK(model->count(false) == 260032);
  const at::NoGradGuard no_grad;
  auto* decoder = dynamic_cast<Decoder*>(model.get());
  const SafetensorsFile expected((*folder / "expected_logits.safetensors").string());
  const Tensor ids = fixture_tensor(expected, "input_ids").unsqueeze(0);
  const Tensor logits = decoder->all_logits(ids, {})[0];
  CHECK((logits - fixture_tensor(expected, "logits")).abs().max().item<double>() < 1e-4);

  const auto greedy = nlohmann::json::parse(std::ifstream(*folder / "expected_greedy.json"));
  const Ids story = greedy["greedy_ids"].get<Ids>();
  GenerationOptions generation;
  generation.longest = static_cast<int64_t>(story.size()) - 1;
  const auto made = model->continuations({{1}}, generation);
  CHECK(made[0].ids == Ids(story.begin() + 1, story.end()));

  // Of the first 201 ids the 200 after the begin mark are predicted.
  const Tensor first = at::tensor(Ids(story.begin(), story.begin() + 201)).unsqueeze(0);
  const Batch batch = language_batch(first, first);
  CHECK(summed_loss(model->forward(batch), batch) / 200 ==
        Approx(greedy["mean_nll_first_201"].get<double>()).epsilon(1e-5));
}

TEST_CASE("avoided repeats change stories260K's greedy text as in transformers") {
  const auto folder = shared_path("data/checkpoints/stories260K_hf");
  if (!folder) return;
  PretrainedOptions options;
  options.path = folder->string();
  const auto model = open_pretrained(options, {});
  // transformers 4.57.6, generate() of 48 tokens after the begin mark: the last 18 of them.
  struct Case {
    double penalty;
    int64_t ngram;
    Ids last;
  };
  const Case cases[] = {
      {1,
       0,
       {426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426, 338, 391, 266, 267}},
      {1.3,
       0,
       {335, 311, 374, 419, 426, 385, 328, 432, 358, 394, 262, 287, 316, 415, 299, 318, 416, 411}},
      {1,
       2,
       {426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426, 291, 268, 414, 444}},
      {1.1,
       3,
       {335, 311, 374, 419, 426, 385, 328, 432, 358, 394, 261, 370, 268, 414, 444, 373, 280, 415}}};
  for (const Case& given : cases) {
    GenerationOptions generation;
    generation.longest = 48;
    generation.repetition_penalty = given.penalty;
    generation.no_repeat_ngram = given.ngram;
    const Ids made = model->continuations({{1}}, generation)[0].ids;
    REQUIRE(made.size() == 48);
    CHECK(Ids(made.begin() + 30, made.end()) == given.last);
  }
}

TEST_CASE("an encoder-decoder avoids repeats of what its decoder read, not of the source") {
  if (no_hf_fixtures()) return;
  const HfCase given("t5_v1_1");
  const auto made = [&](double penalty, int64_t ngram) {
    GenerationOptions generation;
    generation.longest = 12;
    generation.start_id = 0;
    generation.repetition_penalty = penalty;
    generation.no_repeat_ngram = ngram;
    return given.model->continuations({{5, 9, 17, 23, 4, 1}}, generation)[0].ids;
  };
  // transformers 4.57.6, generate() without an end mark.
  CHECK(made(1, 0) == Ids{51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 25});
  CHECK(made(2, 0) == Ids{51, 35, 19, 84, 82, 145, 86, 43, 198, 53, 133, 23});
  CHECK(made(1, 1) == Ids{51, 35, 19, 84, 82, 145, 86, 43, 198, 53, 133, 23});
  CHECK(made(1, 2) == Ids{51, 51, 35, 19, 117, 157, 172, 24, 82, 19, 157, 61});
}
