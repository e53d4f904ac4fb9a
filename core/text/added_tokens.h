// Tokens that are cut out of a text before anything else looks at it. Free of libtorch.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe {

/// One token beside the trained vocabulary, as tokenizer.json's added_tokens have it.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool special = false;      ///< has no text
  bool left_strip = false;   ///< takes the white space before it
  bool right_strip = false;  ///< takes the white space behind it
  bool single_word = false;  ///< only where no letter or digit touches it
  bool normalized = false;   ///< looked for in the normalised text, not in the text itself
};

/// A part of a text: a token, or the text between two.
struct Section {
  std::string_view text;
  int64_t token = -1;  ///< its id; negative = text
};

/// Finds added tokens: the leftmost first, and of those that start together the longest.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Tokens with an empty content are left out: they would be everywhere.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// The sections of valid UTF-8 text in order; none is empty but for tokens.
  std::vector<Section> split(std::string_view text) const;

 private:
  const AddedToken* match_at(std::string_view text, size_t at) const;
  size_t next_start(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;        // by first byte, then longest first
  std::array<uint32_t, 257> first_ = {};  // of those that start with a byte
  std::string starts_;                    // the first bytes
};

}  // namespace lethe
