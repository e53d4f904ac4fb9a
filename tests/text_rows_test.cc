#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "core/error.h"
#include "core/text/load_tokenizer.h"
#include "core/text/text_rows.h"
#include "tests/files.h"
#include "tests/tensors.h"

using lethe::Batch;
using lethe::integers;
using lethe::Predict;
using lethe::TextRow;
using lethe::TextRows;
using lethe::TextRowsOptions;
using Ids = std::vector<int64_t>;

namespace {

std::shared_ptr<const lethe::WordTokenizer> words() {
  return std::make_shared<lethe::WordTokenizer>(
      std::vector<std::string>{"good", " film", " yes", " no"});  // 258 to 261
}

/// A tokenizer that begins its rows with id 2, which is byte 0 otherwise.
class Beginning : public lethe::WordTokenizer {
 public:
  Beginning() : WordTokenizer({"good", " film", " yes", " no"}) {}
  lethe::Marks marks() const override { return {.before = {2}}; }
};

/// One that has a begin mark and puts it before no text, as GPT-2's.
class Unbegun : public lethe::WordTokenizer {
 public:
  Unbegun() : WordTokenizer({"good", " film", " yes", " no"}) {}
  std::optional<int64_t> begin_id() const override { return 2; }
};

/// "good film?" -> " yes" and "good" -> " no no".
TextRows two_rows(TextRowsOptions options = {}) {
  const auto tokenizer = words();
  options.name = "films test";
  return TextRows(tokenizer,
                  {text_row(*tokenizer, "good film?", " yes"), text_row(*tokenizer, "good", " no")},
                  options);
}

std::vector<bool> flags(const at::Tensor& tensor) {
  const auto* data = tensor.data_ptr<bool>();
  return std::vector<bool>(data, data + tensor.numel());
}

}  // namespace

TEST_CASE("a row is its prompt and its response with the end mark") {
  const TextRow row = text_row(*words(), "good film?", " yes");
  CHECK(row.prompt == Ids{258, 259, 65});  // '?' is byte 63
  CHECK(row.response == Ids{260, 1});
  CHECK(row.tokens() == 5);
  CHECK(text_row(Beginning(), "good", " no").prompt == Ids{2, 258});
  CHECK(text_row(Unbegun(), "good", " no").prompt == Ids{258});
}

TEST_CASE("a batch of two rows holds inputs, mask and targets as written out by hand") {
  const TextRows rows = two_rows({.first_id = 40});
  const Batch batch = rows.batch({1, 0});
  CHECK(batch.inputs.sizes() == at::IntArrayRef({2, 4}));
  CHECK(integers(batch.inputs) == Ids{258, 261, 0, 0, 258, 259, 65, 260});
  CHECK(flags(batch.mask) == std::vector<bool>{true, true, false, false, true, true, true, true});
  // " no" follows position 0 and the end mark position 1 of the first row; the second row's are 2
  // and 3.
  CHECK(integers(batch.positions) == Ids{0, 1, 6, 7});
  CHECK(integers(batch.row_of) == Ids{0, 0, 1, 1});
  CHECK(integers(batch.targets) == Ids{261, 1, 260, 1});
  CHECK(integers(batch.row_ids) == Ids{41, 40});
  CHECK(batch.tokens == 6);
  CHECK_FALSE(batch.weights.defined());
  CHECK_FALSE(batch.active.defined());
}

TEST_CASE("a batch without padding has no mask") {
  CHECK_FALSE(two_rows().batch({0, 0}).mask.defined());
}

TEST_CASE("plain language modelling predicts every token but the first") {
  const auto tokenizer = words();
  const TextRows rows(tokenizer,
                      {text_row(*tokenizer, "", "good film?"), text_row(*tokenizer, "good", " no")},
                      {.name = "text", .predict = Predict::all});
  const Batch batch = rows.batch({0, 1});
  CHECK(integers(batch.inputs) == Ids{258, 259, 65, 258, 261, 0});
  CHECK(integers(batch.positions) == Ids{0, 1, 2, 3, 4});
  CHECK(integers(batch.targets) == Ids{259, 65, 1, 261, 1});
  CHECK(integers(batch.row_of) == Ids{0, 0, 0, 1, 1});
}

TEST_CASE("prompt, response and lengths are those of the text") {
  const TextRows rows = two_rows({.first_id = 7});
  CHECK(rows.size() == 2);
  CHECK(rows.first_id() == 7);
  CHECK(rows.prompt(0) == "good film?");
  CHECK(rows.expected(0) == " yes");
  CHECK(rows.prompt_ids(1) == Ids{258});
  CHECK(rows.decode({261, 261}) == " no no");
  CHECK(rows.end_id() == 1);
  CHECK(rows.length(0) == 5);
  CHECK(rows.length(1) == 3);
  CHECK(rows.longest_response() == 2);
  CHECK(rows.longest() == 5);
}

TEST_CASE("rows have one fingerprint exactly where prompt and response are equal") {
  const TextRows rows = two_rows();
  CHECK(rows.fingerprint(0) == two_rows({.first_id = 9}).fingerprint(0));
  CHECK(rows.fingerprint(0) != rows.fingerprint(1));
  const TextRows moved(words(), {{{258}, {259, 1}}, {{258, 259}, {1}}}, {.name = "moved"});
  CHECK(moved.fingerprint(0) != moved.fingerprint(1));
  CHECK(moved.fingerprint(0) == 0xd1935f54f7d6d8cd);
}

TEST_CASE("a long prompt loses its left end and the response stays whole") {
  const TextRows rows = two_rows({.max_length = 4});
  CHECK(rows.prompt(0) == " film?");
  CHECK(rows.expected(0) == " yes");
  CHECK(rows.length(0) == 4);
  CHECK(rows.length(1) == 3);
}

TEST_CASE("a begin mark survives truncation") {
  const auto tokenizer = std::make_shared<Beginning>();
  const TextRows rows(tokenizer, {text_row(*tokenizer, "good film?", " yes")},
                      {.name = "films", .max_length = 5});
  CHECK(rows.prompt_ids(0) == Ids{2, 259, 65});
}

// Ids of transformers 4.57.6: AutoTokenizer of these folders, called with "low low".
TEST_CASE("a row begins with what tokenizer.json's post-processor adds, and with nothing else") {
  const Scratch scratch;
  scratch.write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer",
      "bos_token": "<end>", "eos_token": "<end>"})");
  const auto row = [&](const std::string& post_processor) {
    scratch.write("tokenizer.json", R"({"added_tokens": [{"id": 7, "content": "<end>",
        "special": true}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
        "post_processor": )" + post_processor +
                                        R"(, "model": {"type": "BPE",
        "vocab": {"l": 0, "o": 1, "w": 2, "\u0120": 3, "lo": 4, "low": 5, "\u0120low": 6,
        "<end>": 7}, "merges": ["l o", "lo w", "\u0120 low"]}})");
    return text_row(*lethe::load_tokenizer(scratch.folder()), "low low", " low");
  };
  const TextRow plain = row(R"({"type": "ByteLevel"})");
  CHECK(plain.prompt == Ids{5, 6});
  CHECK(plain.response == Ids{6, 7});
  const TextRow begun = row(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<end>", "type_id": 0}},
                 {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"<end>": {"id": "<end>", "ids": [7], "tokens": ["<end>"]}}})");
  CHECK(begun.prompt == Ids{7, 5, 6});
  CHECK(begun.response == Ids{6, 7});
}

TEST_CASE("a response that does not fit names its row and the length it needs") {
  const auto tokenizer = words();
  const auto make = [&](int64_t max_length) {
    return TextRows(
        tokenizer, {text_row(*tokenizer, "good", " no"), text_row(*tokenizer, "good", " no no no")},
        {.name = "films train", .max_length = max_length});
  };
  CHECK_NOTHROW(make(5));
  CHECK_THROWS_WITH(
      make(4),
      "the response of row 1 of films train takes 4 tokens, end mark included, and at least 1 "
      "of its prompt stand before it, but max_length is 4; raise max_length to 5 or shorten "
      "the response");
}

TEST_CASE("an empty prompt, an empty text and a wrong row are refused") {
  const auto tokenizer = words();
  CHECK_THROWS_WITH(
      TextRows(tokenizer, {text_row(*tokenizer, "", " no")}, {.name = "films"}),
      "row 0 of films has an empty prompt; a response is predicted from at least one token");
  CHECK_THROWS_WITH(TextRows(tokenizer, {text_row(*tokenizer, "", "")},
                             {.name = "text", .predict = Predict::all}),
                    "row 0 of text is empty; expected text");
  CHECK_THROWS_WITH(two_rows().batch({0, 2}),
                    "row 2 of films test does not exist; expected 0 to 1");
}
