// The published reference: 500 tokens learned from corpus.en.
#include <catch2/catch.hpp>

#include "core/text/byte_letters.h"
#include "core/text/train_bpe.h"
#include "tests/tokenizer_case.h"

TEST_CASE("the merges and the vocabulary of the cs336 reference come out in order") {
  const auto folder = shared_path("data/text/cs336_fixtures");
  if (!folder) return;
  lethe::BpeTrainer trainer({"<|endoftext|>"});
  trainer.add_text("corpus.en", file_bytes((*folder / "corpus.en").string()));
  const lethe::TrainedBpe trained = trainer.train(500);
  std::string merges;
  for (const auto& [left, right] : trained.merges) {
    merges += lethe::letters_of(left) + " " + lethe::letters_of(right) + "\n";
  }
  std::string expected = file_bytes((*folder / "train-bpe-reference-merges.txt").string());
  if (!expected.ends_with("\n")) expected += "\n";
  CHECK(merges == expected);
  const Scratch scratch;
  lethe::write_tokenizer(trained, scratch.folder());
  CHECK(json_of(scratch.path("vocab.json")) == json_of(*folder / "train-bpe-reference-vocab.json"));
}
