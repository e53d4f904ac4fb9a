// Rows of text for an encoder-decoder: sources with their targets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/task.h"
#include "core/text/text_rows.h"

namespace lethe {

/// A text between the tokenizer's marks, and with the end mark where these have none behind it:
/// what T5 is given as a source or asked for as a target.
std::vector<int64_t> ended_ids(const Tokenizer& tokenizer, std::string_view text);

/// The row of a source and its target, each as ended_ids() has them.
TextRow pair_row(const Tokenizer& tokenizer, std::string_view source, std::string_view target);

/// `batch` with what predicts labels (B, T): decoder_inputs are the labels shifted right behind
/// `start`, `pad` where nothing is predicted (-100); positions, row_of and targets are the others.
Batch with_labels(Batch batch, const Tensor& labels, int64_t start, int64_t pad);

struct PairRowsOptions {
  std::string name = {};   ///< of task and split, for messages, as in "sentiment train"
  int64_t first_id = 0;    ///< of the first row within the stream
  int64_t max_source = 0;  ///< tokens of a source, end mark included; 0 = no limit
  int64_t max_target = 0;  ///< tokens of a target, end mark included; 0 = no limit
  int64_t start_id = 0;    ///< what the decoder reads first (decoder_start_token_id)
  std::vector<std::vector<int64_t>> labels = {};  ///< targets to score rows by, end mark included
  bool normalised = false;                        ///< labels are compared by token
};

/// Pairs held as ids. A source longer than max_source loses tokens from its left, never its end
/// mark; a target loses nothing.
class PairRows : public Rows, public TextSource, public LabelSource {
 public:
  /// `rows` as pair_row makes them. Throws Error naming the row where a source is empty or a target
  /// (or a label) does not fit.
  PairRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<TextRow> rows,
           const PairRowsOptions& options);

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  /// inputs (B, S) the sources, decoder_inputs (B, T); every token of a target is predicted.
  Batch batch(const std::vector<int64_t>& indices) const override;
  /// Tokens of source and target, end marks included.
  int64_t length(int64_t index) const override { return at(index).tokens(); }
  uint64_t fingerprint(int64_t index) const override;

  std::string prompt(int64_t index) const override;
  std::string expected(int64_t index) const override;
  std::vector<int64_t> prompt_ids(int64_t index) const override { return at(index).prompt; }
  std::string decode(const std::vector<int64_t>& ids) const override;
  int64_t end_id() const override { return tokenizer_->end_id(); }
  int64_t longest_response() const override { return longest_target_; }

  int64_t labels() const override { return static_cast<int64_t>(labels_.size()); }
  Batch label_batch(const std::vector<int64_t>& indices, int64_t label) const override;
  /// Throws Error for a target that is none of the labels.
  int64_t label_of(int64_t index) const override;
  bool normalised() const override { return normalised_; }

  int64_t longest_source() const { return longest_source_; }
  int64_t longest_target() const { return longest_target_; }  ///< of labels too
  int64_t truncated() const { return truncated_; }            ///< sources that lost tokens

 private:
  const TextRow& at(int64_t index) const;  // throws Error for an index outside the rows
  void fit(TextRow& row, int64_t index, const PairRowsOptions& options);
  /// The sources of the rows with their own targets, or all with `target` where that is given.
  Batch batch_of(const std::vector<int64_t>& indices, const std::vector<int64_t>* target) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<TextRow> rows_;
  std::string name_;
  int64_t start_id_;
  std::vector<std::vector<int64_t>> labels_;
  bool normalised_;
  int64_t longest_source_ = 0, longest_target_ = 0, truncated_ = 0;
};

/// Rows of texts: (source, target).
std::shared_ptr<const PairRows> make_pair_rows(
    std::shared_ptr<const Tokenizer> tokenizer,
    const std::vector<std::pair<std::string, std::string>>& pairs, const PairRowsOptions& options);

}  // namespace lethe
