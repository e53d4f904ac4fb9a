// Rows begin and end as transformers' tokenizers have it: the recorded ids of real tokenizers.
#include "tests/catch.h"
// After Catch.
#include "core/text/pair_rows.h"
#include "experiments/predict_rows.h"
#include "tests/tokenizer_case.h"

using namespace lethe;

TEST_CASE("GPT-2's rows have no begin mark, though its tokenizer names one") {
  const auto folder = shared_path("data/tokenizers/gpt2");
  const auto vectors = shared_path("data/tokenizer_vectors/gpt2_llamacpp.json");
  if (!folder || !vectors) return;
  const auto tokenizer = load_tokenizer(folder->string());
  REQUIRE(tokenizer->begin_id() == 50256);
  const nlohmann::json cases = json_of(*vectors).at("cases");
  CHECK(cases.size() == 47);
  for (const auto& one : cases) {
    const auto text = one.at("text").get<std::string>();
    ExpectedIds ids = one.at("ids").get<ExpectedIds>();
    CHECK(text_row(*tokenizer, text, "x").prompt == ids);
    if (!ids.empty()) CHECK(prompt_ids(*tokenizer, text) == ids);
    ids.push_back(50256);
    CHECK(text_row(*tokenizer, "x", text).response == ids);
  }
}

TEST_CASE("T5's sources and targets end with its end mark, once") {
  const auto folder = shared_path("data/tokenizers/t5");
  const auto vectors = shared_path("data/tokenizer_vectors/t5_torchtune.json");
  if (!folder || !vectors) return;
  const Scratch scratch;
  link_files(scratch, *folder, {"spiece.model"});
  const auto tokenizer = load_tokenizer(scratch.folder());
  const nlohmann::json cases = json_of(*vectors).at("cases");
  CHECK(cases.size() == 2);
  for (const auto& one : cases) {
    const auto text = one.at("text").get<std::string>();
    const auto ids = one.at("ids").get<ExpectedIds>();
    CHECK(pair_row(*tokenizer, text, "x").prompt == ids);
    CHECK(pair_row(*tokenizer, "x", text).response == ids);
    CHECK(ended_ids(*tokenizer, text + "</s>") == ids);
  }
}

TEST_CASE("a LLaMA tokenizer begins its rows with its mark") {
  const auto folder = shared_path("data/checkpoints/stories260K_hf");
  if (!folder) return;
  const auto tokenizer = load_tokenizer(folder->string());
  ExpectedIds ids = tokenizer->encode("Once upon a time");
  ids.insert(ids.begin(), 1);
  CHECK(text_row(*tokenizer, "Once upon a time", "x").prompt == ids);
  CHECK(prompt_ids(*tokenizer, "Once upon a time") == ids);
}
