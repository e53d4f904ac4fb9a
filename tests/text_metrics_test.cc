// Scores of generated texts, by hand.
#include "core/text/text_metrics.h"

#include <catch2/catch.hpp>

#include "tests/files.h"

using namespace lethe;

TEST_CASE("ROUGE-L is the F1 of the longest common subsequence of words") {
  // LCS "the cat on the mat" = 5 of 6 words on both sides.
  CHECK(rouge_l("The cat sat on the mat.", "the cat is on the mat") == Approx(5.0 / 6));
  // Lin 2004, section 3.1: LCS of S2 is 3 of 4 words, of S3 2 of 4.
  CHECK(rouge_l("police kill the gunman", "police killed the gunman") == Approx(0.75));
  CHECK(rouge_l("the gunman kill police", "police killed the gunman") == Approx(0.5));
  // P = 2/3, R = 2/5: F = 2 * 2 / 8.
  CHECK(rouge_l("a b c", "a x b y z") == Approx(0.5));
  CHECK(rouge_l("", "a") == 0);
  CHECK(rouge_l("...", "a") == 0);
}

TEST_CASE("edit similarity counts insertions and deletions of characters") {
  // LCS "ittn" = 4, 6 + 7 characters.
  CHECK(edit_similarity("kitten", "sitting") == Approx(8.0 / 13));
  CHECK(edit_similarity("abc", "abc") == 1);
  CHECK(edit_similarity("", "") == 1);
  CHECK(edit_similarity("", "abc") == 0);
  CHECK(edit_similarity("caf\u00e9", "cafe") == Approx(6.0 / 8));  // 4 characters, not 5 bytes
}

TEST_CASE("the answer's number stands behind the last ####, else last in the text") {
  CHECK(answer_number("2 + 3 = 5\n#### 18") == "18");
  CHECK(answer_number("#### 2,125") == "2125");
  CHECK(answer_number("so 5-3 is 2.50 dollars.") == "2.5");
  CHECK(answer_number("5-3") == "3");
  CHECK(answer_number("it is -10") == "-10");
  CHECK(answer_number("#### 007.0") == "7");
  CHECK(answer_number("0.50") == "0.5");
  CHECK(answer_number("100") == "100");
  CHECK(answer_number("-0") == "0");
  CHECK(answer_number("0.0") == "0");
  CHECK(answer_number("none").empty());
  CHECK(answer_number("12 then #### none").empty());
}

TEST_CASE("numbers match by value, and no number matches nothing") {
  CHECK(number_match("The answer is $2,125.00.", "... #### 2125") == 1);
  CHECK(number_match("#### 18", "#### 19") == 0);
  CHECK(number_match("eighteen", "#### 18") == 0);
  CHECK(number_match("", "none") == 0);
}

TEST_CASE("a generated text is cut at the first stop text") {
  CHECK(cut_at_stop("a\nQuestion: b", {"\nQuestion:", "b"}) == "a");
  CHECK(cut_at_stop("ab", {"b", "a"}).empty());
  CHECK(cut_at_stop("ab", {}) == "ab");
}

TEST_CASE("a generated match ignores white space at the ends, and nothing else") {
  CHECK(generated_match(" yes\n", "yes") == 1);
  CHECK(generated_match("Yes", "yes") == 0);
  CHECK(generated_match("yes .", "yes.") == 0);
}

TEST_CASE("docs/metrics.md has every metric of a task with its unit and definition") {
  const std::string page = file_bytes(LETHE_SOURCE_DIR "/docs/metrics.md");
  for (const TextMetric& metric : text_metrics()) {
    INFO(metric.info.name);
    const std::string row = "| `" + metric.info.name + "` | " + metric.info.unit + ", " +
                            (metric.info.higher_is_better ? "higher" : "lower") + " | " +
                            metric.definition + " | " + metric.source + " |\n";
    CHECK(page.find(row) != std::string::npos);
  }
  CHECK(find_text_metric("bleu") == nullptr);
}
