#include "core/text/text_metrics.h"

#include <algorithm>

#include "core/formats/utf8.h"

namespace lethe {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool part = is_ascii_letter(c) || is_ascii_digit(c);
    if (part && !inside) words.emplace_back();
    if (part) words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    inside = part;
  }
  return words;
}

/// Length of the longest common subsequence, by one row of its table.
template <class Unit>
double common(const std::vector<Unit>& a, const std::vector<Unit>& b) {
  std::vector<int64_t> row(b.size() + 1, 0);
  for (const Unit& unit : a) {
    int64_t corner = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t above = row[j + 1];
      row[j + 1] = unit == b[j] ? corner + 1 : std::max(above, row[j]);
      corner = above;
    }
  }
  return static_cast<double>(row.back());
}

/// The last number of `text` as it stands: digits with commas between them, perhaps a sign before
/// and a decimal part.
std::string_view last_number(std::string_view text) {
  std::string_view found;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!is_ascii_digit(text[at])) continue;
    size_t begin = at, end = at;
    while (end < text.size() && (is_ascii_digit(text[end]) || text[end] == ',')) ++end;
    if (end + 1 < text.size() && text[end] == '.' && is_ascii_digit(text[end + 1])) {
      for (++end; end < text.size() && is_ascii_digit(text[end]);) ++end;
    }
    // "5-3" is no "-3".
    const bool sign = begin > 0 && text[begin - 1] == '-';
    const bool minus =
        sign &&
        (begin < 2 || !(is_ascii_digit(text[begin - 2]) || is_ascii_letter(text[begin - 2])));
    if (minus) --begin;
    found = text.substr(begin, end - begin);
    at = end - 1;
  }
  return found;
}

}  // namespace

std::string cut_at_stop(const std::string& text, const std::vector<std::string>& stops) {
  size_t end = text.size();
  for (const std::string& stop : stops) end = std::min(end, text.find(stop));
  return text.substr(0, end);
}

double generated_match(std::string_view generated, std::string_view expected) {
  return trimmed(generated) == trimmed(expected) ? 1 : 0;
}

double rouge_l(std::string_view generated, std::string_view expected) {
  const auto made = words_of(generated), wanted = words_of(expected);
  if (made.empty() || wanted.empty()) return 0;
  const double both = static_cast<double>(made.size() + wanted.size());
  return 2 * common(made, wanted) / both;  // 2PR / (P + R) with P = LCS / made, R = LCS / wanted
}

double edit_similarity(std::string_view generated, std::string_view expected) {
  const auto made = code_points(generated), wanted = code_points(expected);
  if (made.empty() && wanted.empty()) return 1;
  return 2 * common(made, wanted) / static_cast<double>(made.size() + wanted.size());
}

std::string answer_number(std::string_view text) {
  if (const size_t mark = text.rfind("####"); mark != std::string_view::npos) {
    text = text.substr(mark + 4);
  }
  std::string number;
  for (const char c : last_number(text)) {
    if (c != ',') number += c;
  }
  if (number.find('.') != std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
  }
  const bool minus = number.starts_with("-");
  const size_t first = number.find_first_not_of('0', minus ? 1 : 0);
  const bool lacks_digit = first == std::string::npos || number[first] == '.';
  if (number.empty()) return number;
  if (first == std::string::npos) return "0";
  return (minus ? "-" : "") + std::string(lacks_digit ? "0" : "") + number.substr(first);
}

double number_match(std::string_view generated, std::string_view expected) {
  const std::string made = answer_number(generated);
  return !made.empty() && made == answer_number(expected) ? 1 : 0;
}

const std::vector<TextMetric>& text_metrics() {
  static const std::vector<TextMetric> metrics = {
      {{"loss", "nats", false},
       ScoredBy::logits,
       "sum of -log p over predicted tokens / their number",
       "cross-entropy; exp of it is the perplexity"},
      {{"token_accuracy", "fraction", true},
       ScoredBy::logits,
       "predicted tokens that are the most likely one / their number",
       "teacher-forced next-token accuracy"},
      {{"exact_match", "fraction", true},
       ScoredBy::logits,
       "rows whose every predicted token, end mark included, is the most likely one / rows",
       "equal to greedy generation, word for word"},
      {{"label_accuracy", "fraction", true},
       ScoredBy::labels,
       "rows whose most likely label, given the prompt, is the right one / rows",
       "Brown et al. 2020, arXiv:2005.14165, section 2.4"},
      {{"generated_match", "fraction", true},
       ScoredBy::generation,
       "rows whose generated text, up to a stop text, is the response, white space at the ends "
       "aside / rows",
       "exact match of Rajpurkar et al. 2016, arXiv:1606.05250, without its normalisation",
       generated_match,
       true},
      {{"number_match", "fraction", true},
       ScoredBy::generation,
       "rows whose generated answer is the same number / rows",
       "Cobbe et al. 2021, arXiv:2110.14168",
       number_match,
       true},
      {{"rouge_l", "fraction", true},
       ScoredBy::generation,
       "mean over rows of 2 LCS / (generated words + expected words)",
       "Lin 2004, ROUGE, with beta = 1",
       rouge_l},
      {{"edit_similarity", "fraction", true},
       ScoredBy::generation,
       "mean over rows of 2 LCS / (generated characters + expected characters)",
       "the similarity of insertions and deletions; Lu et al. 2021, arXiv:2102.04664",
       edit_similarity}};
  return metrics;
}

const TextMetric* find_text_metric(const std::string& name) {
  const auto& all = text_metrics();
  const auto found = std::find_if(
      all.begin(), all.end(), [&](const TextMetric& metric) { return metric.info.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace lethe
