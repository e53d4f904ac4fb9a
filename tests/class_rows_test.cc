// Rows of text for a classifier: marks, token types, fitting, labels, joining.
#include "tests/catch.h"
// After Catch.
#include "core/sampler.h"
#include "core/text/class_rows.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

/// Letters by their place in the alphabet, as BERT marks rows: pad 0, [CLS] 101, [SEP] 102.
class Letters : public Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text) const override {
    Ids ids;
    for (const char c : text) ids.push_back(c - 'a' + 1);
    return ids;
  }
  std::string decode(const std::vector<int64_t>&) const override { return {}; }
  std::string decode_with_special(const std::vector<int64_t>&) const override { return {}; }
  std::string token(int64_t id) const override {
    return std::string(1, static_cast<char>('a' + id - 1));
  }
  std::optional<int64_t> id_of(std::string_view token) const override {
    return token.size() == 1 ? std::optional<int64_t>(token[0] - 'a' + 1) : std::nullopt;
  }
  int64_t vocabulary_size() const override { return 103; }
  int64_t end_id() const override { return 102; }
  int64_t pad_id() const override { return 0; }
  Marks marks() const override { return {{101}, {102}, {102}}; }
};

std::shared_ptr<const ClassRows> rows(const std::vector<LabelledText>& texts,
                                      ClassRowsOptions options = {}) {
  options.name = "topic train";
  return make_class_rows(std::make_shared<Letters>(), texts, {"cold", "warm", "hot"}, options);
}

}  // namespace

TEST_CASE("one text stands between the marks, a pair has two types") {
  const Batch single = rows({{"abc", "", "hot"}, {"d", "", "cold"}})->batch({0, 1});
  CHECK(integers(single.inputs) == Ids{101, 1, 2, 3, 102, 101, 4, 102, 0, 0});
  CHECK(integers(single.mask) == Ids{1, 1, 1, 1, 1, 1, 1, 1, 0, 0});
  CHECK_FALSE(single.token_types.defined());
  CHECK_FALSE(single.positions.defined());
  CHECK_FALSE(single.active.defined());
  CHECK(integers(single.targets) == Ids{2, 0});
  CHECK(single.tokens == 8);
  const Batch pair = rows({{"ab", "cd", "warm"}, {"e", "", "warm"}})->batch({0, 1});
  CHECK(integers(pair.inputs) == Ids{101, 1, 2, 102, 3, 4, 102, 101, 5, 102, 0, 0, 0, 0});
  CHECK(integers(pair.token_types) == Ids{0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a tokenizer that marks nothing, as GPT-2's, leaves texts alone") {
  const auto bytes = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  const Batch batch =
      make_class_rows(bytes, {{"ab", "c", "x"}, {"d", "", "x"}}, {"x"}, {})->batch({0, 1});
  CHECK(integers(batch.inputs) == Ids{2 + 'a', 2 + 'b', 2 + 'c', 2 + 'd', 0, 0});
  CHECK(integers(batch.token_types) == Ids{0, 0, 1, 0, 0, 0});
  CHECK(batch.tokens == 4);
}

TEST_CASE("classes that may win are the task's") {
  ClassRowsOptions options;
  options.active = {1, 2};
  options.classes = 4;
  const Batch batch = rows({{"a", "", "hot"}, {"b", "", "warm"}}, options)->batch({0, 1});
  CHECK(integers(batch.active) == Ids{0, 1, 1, 0, 0, 1, 1, 0});
}

TEST_CASE("a long row loses the right of its longer text, then of both") {
  ClassRowsOptions options;
  options.max_length = 7;
  const auto cut =
      rows({{"abcdef", "gh", "hot"}, {"ab", "cdefg", "hot"}, {"abcdefgh", "", "hot"}}, options);
  CHECK(integers(cut->batch({0}).inputs) == Ids{101, 1, 2, 102, 7, 8, 102});
  CHECK(integers(cut->batch({1}).inputs) == Ids{101, 1, 2, 102, 3, 4, 102});
  CHECK(integers(cut->batch({2}).inputs) == Ids{101, 1, 2, 3, 4, 5, 102});
  CHECK(cut->truncated() == 3);
  CHECK(cut->longest() == 7);
  options.max_length = 4;
  CHECK_THROWS_WITH(rows({{"ab", "cd", "hot"}}, options),
                    "topic train: max_length is 4, but row 0 needs at least 5 tokens, 3 of them "
                    "marks; raise it");
}

// BertTokenizerFast of transformers 4.57.6 over a vocabulary of letters (here a = 1, there a = 5),
// called on lists of texts with truncation = "longest_first".
TEST_CASE("pairs are cut as transformers' fast tokenizer cuts them") {
  struct Case {
    const char *first, *second;
    int64_t max_length;
    Ids ids, types;
  };
  const Case cases[] = {
      {"ab", "cd", 6, {101, 1, 102, 3, 4, 102}, {0, 0, 0, 1, 1, 1}},
      {"abcd", "efgh", 8, {101, 1, 2, 102, 5, 6, 7, 102}, {0, 0, 0, 0, 1, 1, 1, 1}},
      {"abcd", "efgh", 9, {101, 1, 2, 3, 102, 5, 6, 7, 102}, {0, 0, 0, 0, 0, 1, 1, 1, 1}},
      {"abcde", "fgh", 8, {101, 1, 2, 3, 102, 6, 7, 102}, {0, 0, 0, 0, 0, 1, 1, 1}},
      {"abcd", "efghi", 8, {101, 1, 2, 102, 5, 6, 7, 102}, {0, 0, 0, 0, 1, 1, 1, 1}},
      {"abcdef", "gh", 8, {101, 1, 2, 3, 102, 7, 8, 102}, {0, 0, 0, 0, 0, 1, 1, 1}},
      {"ab", "cdefgh", 8, {101, 1, 2, 102, 3, 4, 5, 102}, {0, 0, 0, 0, 1, 1, 1, 1}},
      {"abcdef", "ghijk", 6, {101, 1, 2, 102, 7, 102}, {0, 0, 0, 0, 1, 1}},
      {"abc", "d", 6, {101, 1, 2, 102, 4, 102}, {0, 0, 0, 0, 1, 1}},
      {"", "a", 9, {101, 102, 1, 102}, {0, 0, 1, 1}},
      {"a", "", 9, {101, 1, 102, 102}, {0, 0, 0, 1}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.first, one.second, one.max_length);
    ClassRowsOptions options;
    options.max_length = one.max_length;
    options.pairs = true;
    const auto made = rows({{one.first, one.second, "hot"}}, options);
    const Batch batch = made->batch({0});
    CHECK(integers(batch.inputs) == one.ids);
    CHECK(integers(batch.token_types) == one.types);
    CHECK(made->length(0) == static_cast<int64_t>(one.ids.size()));
  }
}

TEST_CASE("class rows refuse unknown labels, empty texts and rows that are not there") {
  CHECK_THROWS_WITH(rows({{"a", "", "hot"}, {"b", "", "mild"}}),
                    "row 1 of topic train has the label 'mild'; known labels: cold, warm, hot");
  CHECK_THROWS_WITH(rows({{"", "", "hot"}}), "row 0 of topic train has no text");
  CHECK_THROWS_WITH(rows({{"a", "", "hot"}})->batch({1}),
                    "row 1 of topic train does not exist; expected 0 to 0");
  ClassRowsOptions options;
  options.classes = 2;
  CHECK_THROWS_WITH(rows({{"a", "", "hot"}}, options),
                    "row 0 of topic train has label 2, expected 0 to 1");
}

TEST_CASE("a row's fingerprint is its texts'") {
  const auto print = [](const char* first, const char* second, const char* label) {
    return rows({{first, second, label}})->fingerprint(0);
  };
  CHECK(print("ab", "c", "hot") == print("ab", "c", "cold"));
  CHECK(print("ab", "c", "hot") != print("a", "bc", "hot"));
}

TEST_CASE("batches of class rows join as one batch of their rows") {
  const std::vector<LabelledText> texts = {
      {"ab", "", "hot"}, {"cdef", "g", "cold"}, {"h", "", "hot"}};
  const auto all = rows(texts);
  const Batch joint = joined({all->batch({0}), all->batch({1}), all->batch({2})});
  const Batch whole = all->batch({0, 1, 2});
  CHECK(joint.inputs.equal(whole.inputs));
  CHECK(joint.mask.equal(whole.mask));
  CHECK(joint.token_types.equal(whole.token_types));
  CHECK(joint.targets.equal(whole.targets));
  CHECK(joint.tokens == whole.tokens);
}
