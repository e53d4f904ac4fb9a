// What tasks of text can be measured in, and the scores of one generated text. Free of libtorch.
// Every score lies in [0, 1], 1 = equal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/trial.h"

namespace lethe {

/// From what a metric is computed: the logits over the expected answer, a generated text, or the
/// likelihoods of the task's labels.
enum class ScoredBy { logits, generation, labels };

struct TextMetric {
  MetricInfo info;
  ScoredBy by = ScoredBy::logits;
  std::string definition, source;
  /// The score of one text, of the metrics by generation.
  double (*of)(std::string_view generated, std::string_view expected) = nullptr;
  bool counts = false;  ///< a score is 0 or 1
};

/// loss, token_accuracy, exact_match, label_accuracy, generated_match, number_match, rouge_l,
/// edit_similarity.
const std::vector<TextMetric>& text_metrics();
/// nullptr for a name that is none of them.
const TextMetric* find_text_metric(const std::string& name);

/// `text` up to the first place at which any of `stops` begins.
std::string cut_at_stop(const std::string& text, const std::vector<std::string>& stops);

/// 1 where both are equal, white space at the ends aside.
double generated_match(std::string_view generated, std::string_view expected);

/// F1 of the longest common subsequence of words: precision LCS / generated words, recall
/// LCS / expected words; words are runs of ASCII letters and digits, in lower case. 0 where
/// either has no word. Lin 2004, "ROUGE", with beta = 1.
double rouge_l(std::string_view generated, std::string_view expected);

/// 2 LCS / (characters of both), LCS the longest common subsequence of code points: 1 minus the
/// insertions and deletions that make one the other, over both lengths. 1 where both are empty.
double edit_similarity(std::string_view generated, std::string_view expected);

/// 1 where the answers are one number: what follows the last "####", else the last number of the
/// text; thousands' commas, a leading + and zeros that say nothing do not count (Cobbe et al. 2021,
/// arXiv:2110.14168). 0 where either has none.
double number_match(std::string_view generated, std::string_view expected);

/// The number that number_match() compares, "" where there is none: "-1234.5".
std::string answer_number(std::string_view text);

}  // namespace lethe
