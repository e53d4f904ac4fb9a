// How text is continued: what ends a row, greedy or drawn, and the rows while they grow.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/random.h"
#include "core/torch.h"

namespace lethe {

struct GenerationOptions {
  int64_t longest = 20;           ///< new tokens a row, end mark included
  int64_t longest_row = 0;        ///< a decoder's prompt and new tokens together; 0 = any number
  int64_t start_id = -1;          ///< what an encoder-decoder's decoder reads first; -1 = its own
  std::vector<int64_t> end_ids;   ///< any of them ends a row
  int64_t pad_id = 0;             ///< what an ended row is fed with while others go on
  bool sample = false;            ///< draw; else the arg max
  double temperature = 1;         ///< logits are divided by it; > 0
  int64_t top_k = 0;              ///< draw among the k most likely; 0 = all
  double top_p = 1;               ///< draw among the fewest that hold this probability
  double repetition_penalty = 1;  ///< see discourage_repeats(); 1 = none
  int64_t no_repeat_ngram = 0;    ///< see forbid_repeats(); 0 = none
  uint64_t seed = 1;              ///< row r draws from Random(seed, first_row + r): no row's text
  int64_t first_row = 0;          ///< depends on which rows share its batch
  /// Given a row's new ids after each of them; true ends the row (stop strings). May be empty.
  std::function<bool(size_t row, const std::vector<int64_t>& ids)> stop;
};

struct Generated {
  std::vector<int64_t> ids;  ///< new tokens, end mark left out
  bool ended = false;        ///< by an end mark or by `stop`; false = cut at a limit
};

/// One id drawn from `n` logits: temperature, then top-k, then top-p (Holtzman et al. 2020,
/// arXiv:1904.09751), as in Hugging Face's order. Tokens as likely as the k-th stay in.
int64_t draw_token(const float* logits, int64_t n, const GenerationOptions& options,
                   Random& random);

/// Divides positive logits of ids in `text` by `penalty` and multiplies negative ones, each once
/// (Keskar et al. 2019, arXiv:1909.05858, section 4.1, in the form of Hugging Face, where a penalty
/// above 1 lowers negative logits as well). Ids outside [0, n) are passed over.
void discourage_repeats(float* logits, int64_t n, const std::vector<int64_t>& text, double penalty);

/// Sets to -infinity each logit whose id would end a run of `ngram` ids that stands in `text`
/// already (Paulus et al. 2017, arXiv:1705.04304, section 2.5).
void forbid_repeats(float* logits, int64_t n, const std::vector<int64_t>& text, int64_t ngram);

/// The rows of one batch while they grow; an encoder-decoder and a decoder drive it alike.
class Continuation {
 public:
  /// A row for each of `read`: the ids that its decoder reads before the first new one, which count
  /// as its text where repeats are avoided. Throws Error for an option out of range. `options`
  /// outlives this.
  Continuation(const std::vector<std::vector<int64_t>>& read, const GenerationOptions& options);

  /// From the logits (B, V) of every row's next token: its choice, and the ids (B) int64 on the CPU
  /// to feed, pad_id for ended rows.
  Tensor choose(const Tensor& logits);
  /// Ends row `row` where it stands, for want of positions.
  void cut(size_t row) { open_[row] = false; }
  bool open(size_t row) const { return open_[row]; }
  /// No row is open, or all have `longest` tokens.
  bool done() const;
  std::vector<Generated> take() { return std::move(rows_); }

 private:
  bool avoids_repeats() const;
  /// The next id of a row from its `n` logits, which are changed where repeats are avoided.
  int64_t choice(size_t row, float* logits, int64_t n);
  void accept(size_t row, int64_t id);

  const GenerationOptions& options_;
  std::vector<Generated> rows_;
  std::vector<std::vector<int64_t>> text_;  ///< read and new ids, if repeats are avoided
  std::vector<bool> open_;
  std::vector<Random> random_;
  int64_t steps_ = 0;
};

}  // namespace lethe
