// Real tokenizers: a text grown id by id is the text of all ids.
#include <catch2/catch.hpp>

#include "experiments/growing_text.h"
#include "tests/tokenizer_case.h"

TEST_CASE("T5's and LLaMA's ids grow into the text that they decode to") {
  const auto t5 = shared_path("data/tokenizers/t5");
  const auto stories = shared_path("data/checkpoints/stories260K_hf");
  const auto vectors = shared_path("data/tokenizer_vectors/t5_generated_spm0197.json");
  if (!t5 || !stories || !vectors) return;
  const Scratch scratch;
  link_files(scratch, *t5, {"spiece.model"});
  const auto tokenizers = {lethe::load_tokenizer(scratch.folder()),
                           lethe::load_tokenizer(stories->string())};
  const nlohmann::json cases = json_of(*vectors).at("cases");
  size_t compared = 0;
  for (const auto& tokenizer : tokenizers) {
    for (const auto& one : cases) {
      const auto text = one.at("text").get<std::string>();
      CAPTURE(text);
      const ExpectedIds ids = tokenizer->encode(text);
      lethe::GrowingText growing(*tokenizer);
      for (size_t count = 1; count <= ids.size(); ++count) {
        growing.grow({ids.begin(), ids.begin() + static_cast<int64_t>(count)});
        const std::string whole =
            tokenizer->decode({ids.begin(), ids.begin() + static_cast<int64_t>(count)});
        CHECK(whole.substr(0, growing.text().size()) == growing.text());
      }
      CHECK(growing.text() == tokenizer->decode(ids));
      ++compared;
    }
  }
  CHECK(compared == 2 * 111);
}
