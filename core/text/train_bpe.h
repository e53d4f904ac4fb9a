// Training of byte-level byte-pair encoding. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/split_pattern.h"

namespace lethe {

/// Tokens are bytes, not letters: the special tokens, then the 256 bytes in the order of their
/// letters' first mention in GPT-2's table (33-126, 161-172, 174-255, then the others), then what
/// each merge joins.
struct TrainedBpe {
  std::vector<std::string> special;
  std::vector<std::string> tokens;  ///< by id, the special ones included
  std::vector<std::pair<std::string, std::string>> merges;
};

/// Counts words, as GPT-2's pattern cuts them, and learns merges from the counts: each joins the
/// most frequent pair of neighbours; of equal ones that whose tokens' bytes compare greatest, left
/// before right. Pairs never cross words or special tokens.
class BpeTrainer {
 public:
  /// Throws Error for a special token that is empty or stands twice.
  explicit BpeTrainer(std::vector<std::string> special);

  /// `what` is the text's name for messages. Throws Error where it is no valid UTF-8.
  void add_text(const std::string& what, std::string_view text);

  /// Until there are `vocabulary` tokens or no pair is left. Throws Error where that is less than
  /// the special tokens and the bytes. O(text) and, for each merge, the words that hold its pair.
  TrainedBpe train(int64_t vocabulary) const;

 private:
  std::vector<std::string> special_;
  AddedTokens cuts_;
  SplitPattern pattern_;
  std::unordered_map<std::string, int64_t> words_;
};

/// Writes vocab.json, merges.txt, tokenizer.json and tokenizer_config.json into `folder`, which is
/// made where it is absent; the first special token is the begin and the end mark. Both
/// load_tokenizer and transformers read the folder. Throws Error naming the file that can't be
/// written.
void write_tokenizer(const TrainedBpe& trained, const std::string& folder);

}  // namespace lethe
