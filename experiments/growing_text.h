// The text of a generated row while it grows. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace lethe {

/// Decodes the newest ids alone, together with the few before them on which their text may depend
/// (a space before a word, the bytes of one character), so that a row takes time by its length.
class GrowingText {
 public:
  /// `tokenizer` outlives this.
  explicit GrowingText(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  /// `ids` are the row's so far, one more or several than the last time.
  void grow(const std::vector<int64_t>& ids);
  /// Of all ids but those at the end whose bytes the next id may complete to a character.
  const std::string& text() const { return text_; }

 private:
  const Tokenizer* tokenizer_;
  size_t from_ = 0, settled_ = 0;  // ids from from_ on are decoded; those before settled_ are text
  std::string before_;             // what ids from_ to settled_ decode to by themselves
  std::string text_;
};

/// Where in `text` the first of `stops` begins, if it ends behind the first `seen` bytes; npos
/// without one. Looks at no more of those bytes than a stop text may have.
size_t new_stop(const std::string& text, size_t seen, const std::vector<std::string>& stops);

}  // namespace lethe
