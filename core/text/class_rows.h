// Rows of text for a classifier: one text or a pair of them, and its class.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/task.h"
#include "core/text/tokenizer.h"

namespace lethe {

/// Token ids of one row, without marks. Of a pair one text may be empty.
struct ClassRow {
  std::vector<int64_t> first, second;
  int64_t label = 0;
};

struct ClassRowsOptions {
  std::string name = {};             ///< of task and split, for messages, as in "topic train"
  int64_t first_id = 0;              ///< of the first row within the stream
  int64_t max_length = 0;            ///< tokens of a row, marks included; 0 = no limit
  int64_t classes = 0;               ///< output units, for `active`
  bool pairs = false;                ///< rows without a second text are pairs too, its text empty
  std::vector<int64_t> active = {};  ///< classes that may win; empty = all
};

/// Rows between the tokenizer's own marks, as transformers makes them: of BERT [CLS], first text,
/// [SEP], and for a pair the second text and another [SEP], which have token type 1. A row longer
/// than max_length loses tokens from the right of its longer text until both have half of the room,
/// then of both, and never a mark: longest_first of transformers' fast tokenizers, which give the
/// odd token to the text that was longer, and to the second where both were as long.
class ClassRows : public Rows {
 public:
  /// Throws Error naming the row where neither text has tokens and for a label outside the classes,
  /// and for a max_length that leaves no room for a token of each text.
  ClassRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<ClassRow> rows,
            const ClassRowsOptions& options);

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  /// inputs (B, L); token_types where a row is a pair; targets (B); active (B, classes) or
  /// undefined.
  Batch batch(const std::vector<int64_t>& indices) const override;
  int64_t length(int64_t index) const override;  ///< marks included
  uint64_t fingerprint(int64_t index) const override;

  int64_t longest() const { return longest_; }
  int64_t truncated() const { return truncated_; }  ///< rows that lost tokens

 private:
  const ClassRow& at(int64_t index) const;  // throws Error for an index outside the rows
  bool pair(const ClassRow& row) const { return pairs_ || !row.second.empty(); }
  int64_t marks(const ClassRow& row) const;
  int64_t tokens(const ClassRow& row) const;
  void fit(ClassRow& row, int64_t index, int64_t max_length);
  /// Writes the row's ids and, where they are wanted, its token types.
  void write(const ClassRow& row, int64_t* ids, int64_t* types) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  Marks marks_;
  std::vector<ClassRow> rows_;
  std::string name_;
  int64_t classes_;
  bool pairs_;
  std::vector<int64_t> active_;
  int64_t longest_ = 0, truncated_ = 0;
};

/// A text, or a pair of them where `second` is not empty, with the name of its class.
struct LabelledText {
  std::string first, second, label;
};

/// Rows of texts; a class is its name's place in `labels`. Throws Error naming row, label and the
/// known labels where a label is none of them.
std::shared_ptr<const ClassRows> make_class_rows(std::shared_ptr<const Tokenizer> tokenizer,
                                                 const std::vector<LabelledText>& texts,
                                                 const std::vector<std::string>& labels,
                                                 ClassRowsOptions options);

}  // namespace lethe
