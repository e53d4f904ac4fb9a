#include "core/text/text_rows.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text/made_text.h"
#include "core/text/token_fingerprint.h"
#include "core/torch.h"

namespace lethe {
namespace {

Tensor as_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// The predicted positions of a batch, in the order of its rows.
struct Targets {
  std::vector<int64_t> positions, row_of, tokens;
};

// Adds those of row `b`, whose inputs start at b * width.
void add_targets(const TextRow& row, Predict predict, int64_t b, int64_t width, Targets& targets) {
  const auto prompt = static_cast<int64_t>(row.prompt.size());
  const int64_t first = predict == Predict::all ? 1 : prompt;
  for (int64_t next = first; next < row.tokens(); ++next) {
    targets.positions.push_back(b * width + next - 1);
    targets.row_of.push_back(b);
    targets.tokens.push_back(next < prompt ? row.prompt[next] : row.response[next - prompt]);
  }
}

// Writes the row's inputs: all its tokens but the last.
void write_inputs(const TextRow& row, int64_t* inputs) {
  int64_t* rest = std::copy(row.prompt.begin(), row.prompt.end(), inputs);
  std::copy(row.response.begin(), row.response.end() - 1, rest);
}

}  // namespace

TextRow text_row(const Tokenizer& tokenizer, std::string_view prompt, std::string_view response) {
  const std::vector<int64_t> before = tokenizer.marks().before;
  TextRow row{tokenizer.encode(prompt), tokenizer.encode(response)};
  row.prompt.insert(row.prompt.begin(), before.begin(), before.end());
  row.response.push_back(tokenizer.end_id());
  return row;
}

TextRows::TextRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<TextRow> rows,
                   const TextRowsOptions& options)
    : Rows(options.first_id),
      tokenizer_(std::move(tokenizer)),
      rows_(std::move(rows)),
      options_(options) {
  for (const auto& label : options_.labels) {
    longest_label_ = std::max(longest_label_, static_cast<int64_t>(label.size()));
  }
  longest_response_ = longest_label_;
  for (size_t index = 0; index < rows_.size(); ++index) {
    TextRow& row = rows_[index];
    fit(row, static_cast<int64_t>(index));
    longest_prompt_ = std::max(longest_prompt_, static_cast<int64_t>(row.prompt.size()));
    longest_response_ = std::max(longest_response_, static_cast<int64_t>(row.response.size()));
  }
}

void TextRows::fit(TextRow& row, int64_t index) {
  const bool needs_prompt = options_.predict == Predict::response;
  if (needs_prompt && row.prompt.empty()) {
    fail("row {} of {} has an empty prompt; a response is predicted from at least one token", index,
         options_.name);
  }
  const int64_t response = std::max(static_cast<int64_t>(row.response.size()), longest_label_);
  const std::vector<int64_t> before = tokenizer_->marks().before;
  const bool begins = row.prompt.size() >= before.size() &&
                      std::equal(before.begin(), before.end(), row.prompt.begin());
  const auto marks = begins ? static_cast<int64_t>(before.size()) : 0;
  const int64_t kept = std::max<int64_t>(needs_prompt ? 1 : 0, marks);
  if (row.tokens() < 2 || row.response.empty()) {
    fail("row {} of {} is empty; expected text", index, options_.name);
  }
  const int64_t longest = static_cast<int64_t>(row.prompt.size()) + response;
  if (options_.max_length == 0 || longest <= options_.max_length) return;
  if (kept + response > options_.max_length) {
    fail(
        "the response of row {} of {} takes {} tokens, end mark included, and at least {} of its "
        "prompt "
        "stand before it, but max_length is {}; raise max_length to {} or shorten the response",
        index, options_.name, response, kept, options_.max_length, kept + response);
  }
  const auto first = row.prompt.begin() + marks;
  row.prompt.erase(first, first + (longest - options_.max_length));
  ++truncated_;
}

const TextRow& TextRows::at(int64_t index) const {
  if (index < 0 || index >= size()) {
    fail("row {} of {} does not exist; expected 0 to {}", index, options_.name, size() - 1);
  }
  return rows_[index];
}

Batch TextRows::batch(const std::vector<int64_t>& indices) const {
  std::vector<const TextRow*> rows;
  std::vector<int64_t> ids;
  for (const int64_t index : indices) {
    rows.push_back(&at(index));
    ids.push_back(first_id() + index);
  }
  return batch_of(rows, ids);
}

Batch TextRows::label_batch(const std::vector<int64_t>& indices, int64_t label) const {
  std::vector<TextRow> made;
  std::vector<int64_t> ids;
  for (const int64_t index : indices) {
    made.push_back({at(index).prompt, options_.labels.at(static_cast<size_t>(label))});
    ids.push_back(first_id() + index);
  }
  std::vector<const TextRow*> rows;
  for (const TextRow& row : made) rows.push_back(&row);
  return batch_of(rows, ids);
}

int64_t TextRows::label_of(int64_t index) const {
  const auto found = std::find(options_.labels.begin(), options_.labels.end(), at(index).response);
  if (found == options_.labels.end()) {
    fail("the response '{}' of row {} of {} is none of its labels", expected(index), index,
         options_.name);
  }
  return found - options_.labels.begin();
}

Batch TextRows::batch_of(const std::vector<const TextRow*>& rows,
                         const std::vector<int64_t>& ids) const {
  const auto count = static_cast<int64_t>(rows.size());
  int64_t width = 0;
  int64_t tokens = 0;
  for (const TextRow* row : rows) {
    width = std::max(width, row->tokens() - 1);
    tokens += row->tokens() - 1;
  }
  Batch batch;
  batch.tokens = tokens;
  batch.inputs = at::full({count, width}, tokenizer_->pad_id(), at::kLong);
  if (tokens < count * width) batch.mask = at::zeros({count, width}, at::kBool);
  Targets targets;
  for (int64_t b = 0; b < count; ++b) {
    const TextRow& row = *rows[static_cast<size_t>(b)];
    write_inputs(row, batch.inputs.data_ptr<int64_t>() + b * width);
    if (batch.mask.defined()) {
      std::fill_n(batch.mask.data_ptr<bool>() + b * width, row.tokens() - 1, true);
    }
    add_targets(row, options_.predict, b, width, targets);
  }
  batch.positions = as_tensor(targets.positions);
  batch.row_of = as_tensor(targets.row_of);
  batch.targets = as_tensor(targets.tokens);
  batch.row_ids = as_tensor(ids);
  return batch;
}

uint64_t TextRows::fingerprint(int64_t index) const {
  const TextRow& row = at(index);
  return TokenFingerprint().add(row.prompt).add(-1).add(row.response).value();
}

std::string TextRows::prompt(int64_t index) const { return tokenizer_->decode(at(index).prompt); }

std::string TextRows::expected(int64_t index) const {
  return tokenizer_->decode(at(index).response);
}

std::string TextRows::decode(const std::vector<int64_t>& ids) const {
  return made_text(*tokenizer_, ids);
}

}  // namespace lethe
