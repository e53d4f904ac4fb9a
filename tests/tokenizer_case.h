// Tokenizer folders and expected ids for tests. Include Catch first.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text/load_tokenizer.h"
#include "core/text/marked_text.h"
#include "tests/files.h"
#include "tests/json_of.h"
#include "tests/shared.h"

using ExpectedIds = std::vector<int64_t>;

/// The files of `from` in a folder of its own, by links.
inline void link_files(const Scratch& scratch, const std::filesystem::path& from,
                       const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::filesystem::create_symlink(from / name, scratch.path(name));
  }
}

/// Checks that `tokens` spell the ids; an unknown id stands for text that the vocabulary lacks.
inline void check_tokens(const lethe::Tokenizer& tokenizer, const ExpectedIds& ids,
                         const std::vector<std::string>& tokens) {
  REQUIRE(tokens.size() == ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool unknown = ids[i] == tokenizer.unknown_id() && !tokenizer.id_of(tokens[i]);
    if (!unknown) CHECK(tokenizer.token(ids[i]) == tokens[i]);
  }
}

/// Checks every case's "ids" and, where there are such, "ids_with_special", "decoded",
/// "decoded_cleanup", "decoded_with_special_skipped" and "tokens"; returns how many cases there
/// were.
inline size_t check_cases(const lethe::Tokenizer& tokenizer, const nlohmann::json& cases) {
  for (const nlohmann::json& one : cases) {
    const auto text = one.at("text").get<std::string>();
    const auto ids = one.at("ids").get<ExpectedIds>();
    CAPTURE(text);
    CHECK(tokenizer.encode(text) == ids);
    if (one.contains("ids_with_special")) {
      CHECK(lethe::encode_marked(tokenizer, text) == one["ids_with_special"].get<ExpectedIds>());
    }
    if (one.contains("decoded")) CHECK(tokenizer.decode_with_special(ids) == one["decoded"]);
    if (one.contains("decoded_cleanup")) {
      const std::string decoded = tokenizer.decode_with_special(ids);
      CHECK(lethe::without_extra_spaces(decoded) == one["decoded_cleanup"]);
    }
    if (one.contains("decoded_with_special_skipped")) {
      CHECK(tokenizer.decode(ids) == one["decoded_with_special_skipped"]);
    }
    if (one.contains("tokens")) check_tokens(tokenizer, ids, one["tokens"]);
  }
  return cases.size();
}

/// Checks "batch": texts cut to max_length, marks included, and padded.
inline void check_batch(const lethe::Tokenizer& tokenizer, const nlohmann::json& batch) {
  std::vector<ExpectedIds> rows;
  for (const auto& text : batch.at("texts")) {
    rows.push_back(
        lethe::encode_marked(tokenizer, text.get<std::string>(), batch.at("max_length")));
  }
  const lethe::PaddedRows padded = lethe::padded(tokenizer, rows);
  CHECK(padded.ids == batch.at("input_ids").get<std::vector<ExpectedIds>>());
  CHECK(padded.mask == batch.at("attention_mask").get<std::vector<ExpectedIds>>());
}
