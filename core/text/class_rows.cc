#include "core/text/class_rows.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text/token_fingerprint.h"

namespace lethe {
namespace {

int64_t* put(const std::vector<int64_t>& ids, int64_t* at) {
  return std::copy(ids.begin(), ids.end(), at);
}

}  // namespace

ClassRows::ClassRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<ClassRow> rows,
                     const ClassRowsOptions& options)
    : Rows(options.first_id),
      tokenizer_(std::move(tokenizer)),
      marks_(tokenizer_->marks()),
      rows_(std::move(rows)),
      name_(options.name),
      classes_(options.classes),
      pairs_(options.pairs),
      active_(options.active) {
  for (size_t index = 0; index < rows_.size(); ++index) {
    ClassRow& row = rows_[index];
    if (row.first.empty() && row.second.empty()) fail("row {} of {} has no text", index, name_);
    if (row.label < 0 || row.label >= classes_) {
      fail("row {} of {} has label {}, expected 0 to {}", index, name_, row.label, classes_ - 1);
    }
    fit(row, static_cast<int64_t>(index), options.max_length);
    longest_ = std::max(longest_, tokens(row));
  }
}

int64_t ClassRows::marks(const ClassRow& row) const {
  const size_t between = pair(row) ? marks_.between.size() : 0;
  return static_cast<int64_t>(marks_.before.size() + between + marks_.after.size());
}

int64_t ClassRows::tokens(const ClassRow& row) const {
  return marks(row) + static_cast<int64_t>(row.first.size() + row.second.size());
}

void ClassRows::fit(ClassRow& row, int64_t index, int64_t max_length) {
  if (max_length == 0 || tokens(row) <= max_length) return;
  const int64_t least = marks(row) + (pair(row) ? 2 : 1);
  if (max_length < least) {
    fail("{}: max_length is {}, but row {} needs at least {} tokens, {} of them marks; raise it",
         name_, max_length, index, least, marks(row));
  }
  ++truncated_;
  const auto room = static_cast<size_t>(max_length - marks(row));
  const bool first_longer = row.first.size() > row.second.size();
  auto& longer = first_longer ? row.first : row.second;
  auto& shorter = first_longer ? row.second : row.first;
  if (pair(row)) shorter.resize(std::min(shorter.size(), room / 2));
  longer.resize(room - shorter.size());
}

const ClassRow& ClassRows::at(int64_t index) const {
  if (index < 0 || index >= size()) {
    fail("row {} of {} does not exist; expected 0 to {}", index, name_, size() - 1);
  }
  return rows_[static_cast<size_t>(index)];
}

int64_t ClassRows::length(int64_t index) const { return tokens(at(index)); }

void ClassRows::write(const ClassRow& row, int64_t* ids, int64_t* types) const {
  int64_t* at = put(row.first, put(marks_.before, ids));
  if (pair(row)) {
    int64_t* const second = put(marks_.between, at);
    at = put(row.second, second);
    std::fill_n(types + (second - ids), row.second.size() + marks_.after.size(), 1);
  }
  put(marks_.after, at);
}

Batch ClassRows::batch(const std::vector<int64_t>& indices) const {
  const auto count = static_cast<int64_t>(indices.size());
  int64_t width = 0;
  bool pairs = false;
  Batch batch;
  for (const int64_t index : indices) {
    const ClassRow& row = at(index);
    width = std::max(width, tokens(row));
    batch.tokens += tokens(row);
    pairs = pairs || pair(row);
  }
  batch.inputs = at::full({count, width}, tokenizer_->pad_id(), at::kLong);
  if (batch.tokens < count * width) batch.mask = at::zeros({count, width}, at::kBool);
  if (pairs) batch.token_types = at::zeros({count, width}, at::kLong);
  batch.targets = at::empty({count}, at::kLong);
  batch.row_ids = at::empty({count}, at::kLong);
  for (int64_t b = 0; b < count; ++b) {
    const int64_t index = indices[static_cast<size_t>(b)];
    const ClassRow& row = at(index);
    write(row, batch.inputs.data_ptr<int64_t>() + b * width,
          pairs ? batch.token_types.data_ptr<int64_t>() + b * width : nullptr);
    if (batch.mask.defined()) {
      std::fill_n(batch.mask.data_ptr<bool>() + b * width, tokens(row), true);
    }
    batch.targets.data_ptr<int64_t>()[b] = row.label;
    batch.row_ids.data_ptr<int64_t>()[b] = first_id() + index;
  }
  if (active_.empty()) return batch;
  batch.active = at::zeros({count, classes_}, at::kBool);
  for (const int64_t known : active_) batch.active.select(1, known).fill_(true);
  return batch;
}

uint64_t ClassRows::fingerprint(int64_t index) const {
  const ClassRow& row = at(index);
  return TokenFingerprint().add(row.first).add(-1).add(row.second).value();
}

std::shared_ptr<const ClassRows> make_class_rows(std::shared_ptr<const Tokenizer> tokenizer,
                                                 const std::vector<LabelledText>& texts,
                                                 const std::vector<std::string>& labels,
                                                 ClassRowsOptions options) {
  std::vector<ClassRow> rows;
  for (const LabelledText& text : texts) {
    const auto found = std::find(labels.begin(), labels.end(), text.label);
    if (found == labels.end()) {
      fail("row {} of {} has the label '{}'; known labels: {}", rows.size(), options.name,
           text.label, fmt::join(labels, ", "));
    }
    rows.push_back(
        {tokenizer->encode(text.first), tokenizer->encode(text.second), found - labels.begin()});
  }
  if (options.classes == 0) options.classes = static_cast<int64_t>(labels.size());
  return std::make_shared<ClassRows>(std::move(tokenizer), std::move(rows), options);
}

}  // namespace lethe
