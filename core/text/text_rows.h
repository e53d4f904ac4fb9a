// Rows of text for a language model: prompts with their responses, or plain text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/task.h"
#include "core/text/tokenizer.h"

namespace lethe {

/// Token ids of one row. `response` ends with the end mark.
struct TextRow {
  std::vector<int64_t> prompt, response;
  int64_t tokens() const { return static_cast<int64_t>(prompt.size() + response.size()); }
};

/// The row of a prompt and its response: what the tokenizer itself puts before a text (LLaMA's
/// begin mark; GPT-2's puts nothing), then the prompt; the response, then the end mark.
TextRow text_row(const Tokenizer& tokenizer, std::string_view prompt, std::string_view response);

/// What the loss and the metric count.
enum class Predict {
  response,  ///< the response's tokens, end mark included; every prompt needs a token
  all,       ///< every token but the first: plain language modelling
};

struct TextRowsOptions {
  std::string name = {};  ///< of task and split, for messages, as in "sentiment train"
  Predict predict = Predict::response;
  int64_t first_id = 0;    ///< of the first row within the stream
  int64_t max_length = 0;  ///< tokens of a row, end mark included; 0 = no limit
  std::vector<std::vector<int64_t>> labels = {};  ///< responses to score rows by, end mark included
  bool normalised = false;                        ///< labels are compared by token
};

/// Text rows held as ids. A row longer than max_length loses tokens from the left of its prompt
/// (after the tokenizer's own mark), never of its response; with labels every label fits as well.
class TextRows : public Rows, public TextSource, public LabelSource {
 public:
  /// Throws Error naming the row where a prompt is empty or a response (or a label) alone does not
  /// fit.
  TextRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<TextRow> rows,
           const TextRowsOptions& options);

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  /// inputs (B, L) are prompt and response without the end mark, L the longest of them.
  Batch batch(const std::vector<int64_t>& indices) const override;
  /// Tokens of prompt and response, end mark included.
  int64_t length(int64_t index) const override { return at(index).tokens(); }
  /// 64-bit FNV-1a over prompt and response, and where one ends.
  uint64_t fingerprint(int64_t index) const override;

  std::string prompt(int64_t index) const override;
  std::string expected(int64_t index) const override;
  std::vector<int64_t> prompt_ids(int64_t index) const override { return at(index).prompt; }
  std::string decode(const std::vector<int64_t>& ids) const override;
  int64_t end_id() const override { return tokenizer_->end_id(); }
  int64_t longest_response() const override { return longest_response_; }

  int64_t labels() const override { return static_cast<int64_t>(options_.labels.size()); }
  Batch label_batch(const std::vector<int64_t>& indices, int64_t label) const override;
  /// Throws Error for a response that is none of the labels.
  int64_t label_of(int64_t index) const override;
  bool normalised() const override { return options_.normalised; }

  /// Rows that lost tokens of their prompt.
  int64_t truncated() const { return truncated_; }

  /// Tokens of the longest prompt plus those of the longest response: no row is longer, and neither
  /// is a prompt with longest_response() tokens generated after it.
  int64_t longest() const { return longest_prompt_ + longest_response_; }

 private:
  const TextRow& at(int64_t index) const;  // throws Error for an index outside the rows
  void fit(TextRow& row, int64_t index);
  Batch batch_of(const std::vector<const TextRow*>& rows, const std::vector<int64_t>& ids) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<TextRow> rows_;
  TextRowsOptions options_;
  int64_t longest_label_ = 0;
  int64_t truncated_ = 0;
  int64_t longest_prompt_ = 0;
  int64_t longest_response_ = 0;
};

}  // namespace lethe
