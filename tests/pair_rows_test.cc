// Rows of sources and targets: what an encoder-decoder is given, fitting, and joining with others.
#include "tests/catch.h"
// After Catch.
#include "core/sampler.h"
#include "core/text/pair_rows.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;

// Bytes stand at 2 + byte; pad 0, end 1.
std::shared_ptr<const Tokenizer> byte_tokenizer() {
  return std::make_shared<WordTokenizer>(std::vector<std::string>{});
}

int64_t id(char c) { return 2 + static_cast<unsigned char>(c); }

std::shared_ptr<const PairRows> letter_pairs(int64_t first_id = 0) {
  PairRowsOptions options;
  options.name = "letters train";
  options.first_id = first_id;
  return make_pair_rows(byte_tokenizer(), {{"abc", "x"}, {"d", "yz"}}, options);
}

}  // namespace

TEST_CASE("a pair's decoder reads the target shifted right and predicts it with its end mark") {
  const Batch batch = letter_pairs(100)->batch({0, 1});
  CHECK(integers(batch.inputs) == Ids{id('a'), id('b'), id('c'), 1, id('d'), 1, 0, 0});
  CHECK(integers(batch.mask) == Ids{1, 1, 1, 1, 1, 1, 0, 0});
  CHECK(integers(batch.decoder_inputs) == Ids{0, id('x'), 1, 0, id('y'), id('z')});
  CHECK(integers(batch.positions) == Ids{0, 1, 3, 4, 5});
  CHECK(integers(batch.row_of) == Ids{0, 0, 1, 1, 1});
  CHECK(integers(batch.targets) == Ids{id('x'), 1, id('y'), id('z'), 1});
  CHECK(integers(batch.row_ids) == Ids{100, 101});
  CHECK(batch.tokens == 6 + 5);
  CHECK_FALSE(letter_pairs()->batch({1}).mask.defined());
}

TEST_CASE("the decoder begins with the model's start mark") {
  PairRowsOptions options;
  options.start_id = 7;
  const Batch batch = make_pair_rows(byte_tokenizer(), {{"a", "x"}}, options)->batch({0});
  CHECK(integers(batch.decoder_inputs) == Ids{7, id('x')});
}

TEST_CASE("labels of -100 are read as padding and not predicted") {
  const Tensor labels = at::tensor({5, -100, 6, -100, -100, 8}, at::kLong).view({2, 3});
  const Batch batch = with_labels({}, labels, 9, 0);
  CHECK(integers(batch.decoder_inputs) == Ids{9, 5, 0, 9, 0, 0});
  CHECK(integers(batch.positions) == Ids{0, 2, 5});
  CHECK(integers(batch.row_of) == Ids{0, 0, 1});
  CHECK(integers(batch.targets) == Ids{5, 6, 8});
}

TEST_CASE("pairs give samples their texts") {
  const auto pairs = letter_pairs();
  CHECK(pairs->prompt(0) == "abc");
  CHECK(pairs->expected(1) == "yz");
  CHECK(pairs->prompt_ids(1) == Ids{id('d'), 1});
  CHECK(pairs->end_id() == 1);
  CHECK(pairs->longest_response() == 3);
  CHECK(pairs->longest_source() == 4);
  CHECK(pairs->length(0) == 6);
  CHECK(pairs->decode({id('o'), id('k')}) == "ok");
}

TEST_CASE("a long source loses its left and is counted; a long target is refused") {
  PairRowsOptions options;
  options.name = "letters train";
  options.max_source = 3;
  const auto cut = make_pair_rows(byte_tokenizer(), {{"abcdef", "x"}, {"ab", "x"}}, options);
  CHECK(cut->prompt_ids(0) == Ids{id('e'), id('f'), 1});
  CHECK(cut->prompt_ids(1) == Ids{id('a'), id('b'), 1});
  CHECK(cut->truncated() == 1);
  options.max_target = 3;
  CHECK_NOTHROW(make_pair_rows(byte_tokenizer(), {{"a", "xy"}}, options));
  CHECK_THROWS_WITH(make_pair_rows(byte_tokenizer(), {{"a", "x"}, {"a", "xyz"}}, options),
                    "the target of row 1 of letters train takes 4 tokens, end mark included, but "
                    "max_target is 3; raise it or shorten the target");
  CHECK_THROWS_WITH(
      make_pair_rows(byte_tokenizer(), {{"", "x"}}, options),
      "row 0 of letters train has an empty source; an encoder reads at least one token");
  options.max_source = 1;
  CHECK_THROWS_WITH(
      make_pair_rows(byte_tokenizer(), {{"ab", "x"}}, options),
      "letters train: max_source is 1; expected at least 2, a token and the end mark, "
      "or 0 for no limit");
  CHECK_THROWS_WITH(letter_pairs()->batch({2}),
                    "row 2 of letters train does not exist; expected 0 to 1");
}

TEST_CASE("source and target both tell rows apart, and where one ends") {
  const auto print = [](const char* source, const char* target) {
    return make_pair_rows(byte_tokenizer(), {{source, target}}, {})->fingerprint(0);
  };
  CHECK(print("ab", "c") == print("ab", "c"));
  CHECK(print("ab", "c") != print("a", "bc"));
  CHECK(print("ab", "c") != print("ab", "d"));
}

TEST_CASE("batches of pairs join as one batch of their rows") {
  const auto other = make_pair_rows(byte_tokenizer(), {{"efghij", "uvwq"}}, {});
  const Batch joint =
      joined({letter_pairs()->batch({1}), other->batch({0}), letter_pairs()->batch({0, 1})});
  const Batch whole =
      make_pair_rows(byte_tokenizer(), {{"d", "yz"}, {"efghij", "uvwq"}, {"abc", "x"}, {"d", "yz"}},
                     {})
          ->batch({0, 1, 2, 3});
  CHECK(joint.inputs.equal(whole.inputs));
  CHECK(joint.mask.equal(whole.mask));
  // Beyond a row's last prediction the decoder may read anything.
  const auto read = [](const Batch& batch) {
    return batch.decoder_inputs.reshape(-1).index_select(0, batch.positions);
  };
  CHECK(joint.decoder_inputs.sizes() == whole.decoder_inputs.sizes());
  CHECK(read(joint).equal(read(whole)));
  CHECK(joint.positions.equal(whole.positions));
  CHECK(joint.row_of.equal(whole.row_of));
  CHECK(joint.targets.equal(whole.targets));
  CHECK(joint.tokens == whole.tokens);
}
