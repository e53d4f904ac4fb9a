// The pattern that cuts a text into pieces before byte-level BPE. Free of libtorch; matched by
// PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe {

/// The pattern of GPT-2: contractions, letters, digits and marks, each with a space before, and
/// white space without the last before a word.
extern const char* const kGpt2Pattern;

/// What becomes of the matches of a pattern.
enum class Matches {
  isolated,  ///< matches and what lies between them are pieces
  removed,   ///< only what lies between them
  alone,     ///< only the matches
};

/// A compiled regular expression in the dialect of tokenizer.json (Oniguruma's), with Unicode
/// classes. A class inside a class is read as a union, \s as Unicode's White_Space.
class SplitPattern {
 public:
  /// `where` names the file, for messages. Throws Error with the offset where it is no valid
  /// pattern, or uses an intersection of classes (&&) or a negated class inside a class.
  SplitPattern(std::string_view pattern, std::string where);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;
  SplitPattern& operator=(SplitPattern&&) noexcept;

  /// Appends the pieces of valid UTF-8 text in order; none is empty. Throws Error where the matcher
  /// gives up (its own limits on backtracking).
  void split(std::string_view text, Matches matches, std::vector<std::string_view>& pieces) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string where_;
};

/// The pattern in PCRE2's dialect. Throws as the constructor does.
std::string pcre2_dialect(std::string_view pattern, const std::string& where);

/// A pattern that matches `text` itself.
std::string literal_pattern(std::string_view text);

}  // namespace lethe
