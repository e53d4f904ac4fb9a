// Rows of tokens of different lengths, and the decoders that read them. Include tests/catch.h
// first.
#pragma once

#include "tests/adapter_case.h"

namespace lethe {

/// `count` prompts of one to five letters with responses of one to three.
inline std::shared_ptr<TextRows> uneven_rows(int64_t count, int64_t first_id = 0) {
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  Random random(static_cast<uint64_t>(first_id) + 11);
  const auto letters = [&random](int64_t most) {
    std::string text;
    for (int64_t i = 0; i <= random.below(most); ++i) {
      text += static_cast<char>('a' + random.below(7));
    }
    return text;
  };
  std::vector<TextRow> rows;
  for (int64_t i = 0; i < count; ++i) {
    const std::string prompt = letters(5);
    rows.push_back(text_row(*tokenizer, prompt, letters(3)));
  }
  return std::make_shared<TextRows>(tokenizer, std::move(rows),
                                    TextRowsOptions{"letters", Predict::response, first_id, 0});
}

/// `tasks` tasks of such rows.
inline TaskStream uneven_stream(int64_t rows, int64_t tasks = 2) {
  TaskStream stream;
  stream.name = "letters";
  for (int64_t t = 0; t < tasks; ++t) {
    const auto made = uneven_rows(rows, 1000 * t);
    stream.longest = std::max(stream.longest, made->longest());
    stream.tasks.push_back({"letters " + std::to_string(t + 1),
                            {"exact_match", "fraction", true},
                            made,
                            made,
                            made,
                            {}});
  }
  return stream;
}

/// A small decoder for them, its weights spread out.
inline std::unique_ptr<Model> letters_decoder(const std::string& family, OptionMap options = {}) {
  return small_decoder(family, std::move(options), WordTokenizer({}).vocabulary_size(), 24);
}

}  // namespace lethe
