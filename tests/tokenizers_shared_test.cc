// Every published and recorded pair of text and ids, exact.
#include <catch2/catch.hpp>

#include "core/text/sentencepiece.h"
#include "tests/tokenizer_case.h"

using lethe::load_tokenizer;

namespace {

std::string gpt2_fixture(const Scratch& scratch, const std::filesystem::path& folder,
                         const std::string& config) {
  link_files(scratch, folder, {"vocab.json", "merges.txt", "special_tokens_map.json"});
  scratch.write("tokenizer_config.json", config);
  return scratch.folder();
}

/// Pieces of unknown ids are the text itself.
void check_pieces(const lethe::SentencePieceModel& model, const ExpectedIds& ids,
                  const std::vector<std::string>& pieces) {
  REQUIRE(pieces.size() == ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != model.unknown_id()) CHECK(model.piece(ids[i]) == pieces[i]);
  }
}

/// The library's own ids and texts, and pieces where the file has them.
size_t check_raw(const std::filesystem::path& model_file, const nlohmann::json& cases) {
  const lethe::SentencePieceModel model(model_file.string());
  for (const nlohmann::json& one : cases) {
    const auto ids = one.at("ids").get<ExpectedIds>();
    CAPTURE(one.at("text"));
    CHECK(model.encode(one.at("text").get<std::string>()) == ids);
    CHECK(model.decode(ids) == one.at("decoded"));
    if (one.contains("pieces")) check_pieces(model, ids, one["pieces"]);
  }
  return cases.size();
}

}  // namespace

TEST_CASE("GPT-2 from vocab.json and merges.txt equals transformers on every string") {
  const auto folder = shared_path("fixtures/tokenizer/gpt2");
  if (!folder) return;
  const auto tokenizer = load_tokenizer(folder->string());
  const nlohmann::json expected = json_of(*folder / "expected.json");
  CHECK(check_cases(*tokenizer, expected.at("cases")) == 89);
  check_batch(*tokenizer, expected.at("batch"));
  CHECK(tokenizer->vocabulary_size() == 50257);
  CHECK(tokenizer->begin_id() == 50256);
  CHECK(tokenizer->end_id() == 50256);
  CHECK(tokenizer->unknown_id() == 50256);
  CHECK(tokenizer->pad_id() == 50256);
}

TEST_CASE("GPT-2 with a prefix space equals transformers on every string") {
  const auto folder = shared_path("fixtures/tokenizer/gpt2");
  if (!folder) return;
  const Scratch scratch;
  const auto tokenizer =
      load_tokenizer(gpt2_fixture(scratch, *folder, "{\"add_prefix_space\": true}"));
  CHECK(check_cases(*tokenizer, json_of(*folder / "expected_prefix_space.json").at("cases")) == 89);
}

TEST_CASE("GPT-2 from tokenizer.json equals the pairs of llama.cpp, SharpToken and transformers") {
  const auto data = shared_path("data");
  const auto folder = shared_path("fixtures/tokenizer/gpt2");
  if (!data || !folder) return;
  const auto tokenizer = load_tokenizer((*data / "tokenizers/gpt2").string());
  const auto vectors = *data / "tokenizer_vectors";
  CHECK(check_cases(*tokenizer, json_of(vectors / "gpt2_llamacpp.json").at("cases")) == 47);
  CHECK(check_cases(*tokenizer, json_of(vectors / "gpt2_sharptoken_r50k.json").at("cases")) == 67);
  CHECK(check_cases(*tokenizer, json_of(*folder / "expected.json").at("cases")) == 89);
}

TEST_CASE("T5 equals transformers and torchtune, end mark included") {
  const auto data = shared_path("data");
  if (!data) return;
  const auto tokenizer = load_tokenizer((*data / "tokenizers/t5").string());
  CHECK(tokenizer->vocabulary_size() == 32100);
  CHECK(tokenizer->id_of("<extra_id_0>") == 32099);
  CHECK(tokenizer->id_of("<extra_id_99>") == 32000);
  CHECK(tokenizer->pad_id() == 0);
  CHECK(tokenizer->end_id() == 1);
  CHECK(tokenizer->unknown_id() == 2);
  CHECK(tokenizer->begin_id() == std::nullopt);
  std::vector<ExpectedIds> rows;
  std::vector<ExpectedIds> expected_rows, expected_mask;
  const auto vectors = *data / "tokenizer_vectors";
  for (const char* name : {"t5_torchtune.json", "t5_transformers_integration.json"}) {
    const nlohmann::json file = json_of(vectors / name);
    for (const auto& one : file.at("cases")) {
      const auto ids = lethe::encode_marked(*tokenizer, one.at("text").get<std::string>());
      CHECK(ids == one.at("ids").get<ExpectedIds>());
      if (!one.contains("padded_ids")) continue;
      rows.push_back(ids);
      expected_rows.push_back(one.at("padded_ids").get<ExpectedIds>());
      expected_mask.push_back(one.at("attention_mask").get<ExpectedIds>());
    }
  }
  const lethe::PaddedRows padded = lethe::padded(*tokenizer, rows);
  CHECK(rows.size() == 3);
  CHECK(padded.ids == expected_rows);
  CHECK(padded.mask == expected_mask);
}

TEST_CASE("SentencePiece models alone give the library's recorded ids and texts") {
  const auto data = shared_path("data");
  const auto fixtures = shared_path("fixtures/tokenizer");
  if (!data || !fixtures) return;
  CHECK(check_raw(*data / "tokenizers/t5/spiece.model",
                  json_of(*data / "tokenizer_vectors/t5_generated_spm0197.json").at("cases")) ==
        111);
  CHECK(check_raw(*fixtures / "t5_sp/spiece.model",
                  json_of(*fixtures / "t5_sp/expected_sentencepiece_raw.json").at("cases")) == 89);
  const auto bytes = *fixtures / "sp_bpe_bytefallback";
  CHECK(check_raw(bytes / "tokenizer.model",
                  json_of(bytes / "expected_sentencepiece_raw.json").at("cases")) == 89);
}

TEST_CASE("T5 in both forms equals transformers on every string") {
  const auto folder = shared_path("fixtures/tokenizer/t5_sp");
  if (!folder) return;
  CHECK(check_cases(*load_tokenizer(folder->string()),
                    json_of(*folder / "expected_legacy.json").at("cases")) == 89);
  const Scratch scratch;
  link_files(scratch, *folder, {"spiece.model"});
  scratch.write("tokenizer_config.json", "{\"legacy\": false}");
  const auto tokenizer = load_tokenizer(scratch.folder());
  const nlohmann::json expected = json_of(*folder / "expected.json");
  CHECK(check_cases(*tokenizer, expected.at("cases")) == 89);
  check_batch(*tokenizer, expected.at("batch"));
  CHECK(tokenizer->vocabulary_size() == 1101);
  CHECK(tokenizer->pad_id() == 1100);
  for (const auto& pair : expected.at("pairs")) {
    const auto made = lethe::encode_pair(*tokenizer, pair.at("a").get<std::string>(),
                                         pair.at("b").get<std::string>());
    CHECK(made.ids == pair.at("ids").get<ExpectedIds>());
  }
}

TEST_CASE("LLaMA's tokenizer puts the begin mark first and gives a model's text back") {
  const auto folder = shared_path("data/checkpoints/stories260K_hf");
  if (!folder) return;
  const auto tokenizer = load_tokenizer(folder->string());
  const nlohmann::json expected = json_of(*folder / "expected_greedy.json");
  const auto ids = expected.at("greedy_ids").get<ExpectedIds>();
  const auto text = expected.at("greedy_text").get<std::string>();
  CHECK(tokenizer->decode(ids) == text);
  CHECK(lethe::encode_marked(*tokenizer, text) == ids);
  CHECK(tokenizer->begin_id() == 1);
  CHECK(tokenizer->end_id() == 2);
  CHECK(tokenizer->pad_id() == 2);
}

TEST_CASE("the byte fallback's strings without special tokens encode as the library has them") {
  const auto folder = shared_path("fixtures/tokenizer/sp_bpe_bytefallback");
  if (!folder) return;
  const auto tokenizer = load_tokenizer(folder->string());
  const auto cases = json_of(*folder / "expected_sentencepiece_raw.json").at("cases");
  int equal = 0;
  for (const auto& one : cases) {
    const auto text = one.at("text").get<std::string>();
    const bool marks = text.find("</s>") != std::string::npos;
    if (marks) continue;
    CHECK(tokenizer->encode(text) == one.at("ids").get<ExpectedIds>());
    CHECK(tokenizer->decode(one.at("ids").get<ExpectedIds>()) == one.at("decoded"));
    ++equal;
  }
  CHECK(equal == 87);
  CHECK(tokenizer->token(730) == "\xe2\x96\x81hi");
  CHECK(tokenizer->encode("<s>hi</s>") == ExpectedIds{1, 730, 2});
}
