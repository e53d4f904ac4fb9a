#include "core/text/pair_rows.h"

#include <algorithm>

#include "core/error.h"
#include "core/text/made_text.h"
#include "core/text/marked_text.h"
#include "core/text/token_fingerprint.h"

namespace lethe {
namespace {

constexpr int64_t kNotPredicted = -100;

}  // namespace

std::vector<int64_t> ended_ids(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int64_t> ids = encode_marked(tokenizer, text);
  if (tokenizer.marks().after.empty()) ids.push_back(tokenizer.end_id());
  return ids;
}

TextRow pair_row(const Tokenizer& tokenizer, std::string_view source, std::string_view target) {
  return {ended_ids(tokenizer, source), ended_ids(tokenizer, target)};
}

Batch with_labels(Batch batch, const Tensor& labels, int64_t start, int64_t pad) {
  const Tensor first = at::full({labels.size(0), 1}, start, labels.options());
  const Tensor shifted = at::cat({first, labels.narrow(1, 0, labels.size(1) - 1)}, 1);
  batch.decoder_inputs = shifted.masked_fill(shifted == kNotPredicted, pad);
  const Tensor flat = labels.reshape(-1);
  batch.positions = (flat != kNotPredicted).nonzero().view(-1);
  batch.row_of = batch.positions.div(labels.size(1), "floor");
  batch.targets = flat.index_select(0, batch.positions);
  return batch;
}

PairRows::PairRows(std::shared_ptr<const Tokenizer> tokenizer, std::vector<TextRow> rows,
                   const PairRowsOptions& options)
    : Rows(options.first_id),
      tokenizer_(std::move(tokenizer)),
      rows_(std::move(rows)),
      name_(options.name),
      start_id_(options.start_id),
      labels_(options.labels),
      normalised_(options.normalised) {
  for (const auto& label : labels_) {
    longest_target_ = std::max(longest_target_, static_cast<int64_t>(label.size()));
  }
  for (size_t index = 0; index < rows_.size(); ++index) {
    TextRow& row = rows_[index];
    fit(row, static_cast<int64_t>(index), options);
    longest_source_ = std::max(longest_source_, static_cast<int64_t>(row.prompt.size()));
    longest_target_ = std::max(longest_target_, static_cast<int64_t>(row.response.size()));
  }
}

void PairRows::fit(TextRow& row, int64_t index, const PairRowsOptions& options) {
  if (row.prompt.size() < 2) {
    fail("row {} of {} has an empty source; an encoder reads at least one token", index, name_);
  }
  int64_t target = static_cast<int64_t>(row.response.size());
  for (const auto& label : labels_) target = std::max(target, static_cast<int64_t>(label.size()));
  if (options.max_target > 0 && target > options.max_target) {
    fail(
        "the target of row {} of {} takes {} tokens, end mark included, but max_target is {}; "
        "raise "
        "it or shorten the target",
        index, name_, target, options.max_target);
  }
  const int64_t over = static_cast<int64_t>(row.prompt.size()) - options.max_source;
  if (options.max_source == 0 || over <= 0) return;
  if (options.max_source < 2) {
    fail("{}: max_source is {}; expected at least 2, a token and the end mark, or 0 for no limit",
         name_, options.max_source);
  }
  row.prompt.erase(row.prompt.begin(), row.prompt.begin() + over);
  ++truncated_;
}

const TextRow& PairRows::at(int64_t index) const {
  if (index < 0 || index >= size()) {
    fail("row {} of {} does not exist; expected 0 to {}", index, name_, size() - 1);
  }
  return rows_[static_cast<size_t>(index)];
}

Batch PairRows::batch(const std::vector<int64_t>& indices) const {
  return batch_of(indices, nullptr);
}

Batch PairRows::label_batch(const std::vector<int64_t>& indices, int64_t label) const {
  return batch_of(indices, &labels_.at(static_cast<size_t>(label)));
}

int64_t PairRows::label_of(int64_t index) const {
  const auto found = std::find(labels_.begin(), labels_.end(), at(index).response);
  if (found == labels_.end()) {
    fail("the target '{}' of row {} of {} is none of its labels", expected(index), index, name_);
  }
  return found - labels_.begin();
}

Batch PairRows::batch_of(const std::vector<int64_t>& indices,
                         const std::vector<int64_t>* target) const {
  const auto count = static_cast<int64_t>(indices.size());
  const auto target_of = [&](const TextRow& row) -> const std::vector<int64_t>& {
    return target == nullptr ? row.response : *target;
  };
  int64_t sources = 0, targets = 0, source_tokens = 0;
  Batch batch;
  for (const int64_t index : indices) {
    const TextRow& row = at(index);
    const auto source = static_cast<int64_t>(row.prompt.size());
    const auto wanted = static_cast<int64_t>(target_of(row).size());
    sources = std::max(sources, source);
    targets = std::max(targets, wanted);
    source_tokens += source;
    batch.tokens += source + wanted;
  }
  batch.inputs = at::full({count, sources}, tokenizer_->pad_id(), at::kLong);
  if (source_tokens < count * sources) batch.mask = at::zeros({count, sources}, at::kBool);
  batch.row_ids = at::empty({count}, at::kLong);
  const Tensor labels = at::full({count, targets}, kNotPredicted, at::kLong);
  for (int64_t b = 0; b < count; ++b) {
    const TextRow& row = at(indices[static_cast<size_t>(b)]);
    const auto& wanted = target_of(row);
    std::copy(row.prompt.begin(), row.prompt.end(), batch.inputs.data_ptr<int64_t>() + b * sources);
    std::copy(wanted.begin(), wanted.end(), labels.data_ptr<int64_t>() + b * targets);
    if (batch.mask.defined()) {
      std::fill_n(batch.mask.data_ptr<bool>() + b * sources, row.prompt.size(), true);
    }
    batch.row_ids.data_ptr<int64_t>()[b] = first_id() + indices[static_cast<size_t>(b)];
  }
  return with_labels(std::move(batch), labels, start_id_, tokenizer_->pad_id());
}

uint64_t PairRows::fingerprint(int64_t index) const {
  const TextRow& row = at(index);
  return TokenFingerprint().add(row.prompt).add(-1).add(row.response).value();
}

std::string PairRows::prompt(int64_t index) const { return tokenizer_->decode(at(index).prompt); }

std::string PairRows::expected(int64_t index) const {
  return tokenizer_->decode(at(index).response);
}

std::string PairRows::decode(const std::vector<int64_t>& ids) const {
  return made_text(*tokenizer_, ids);
}

std::shared_ptr<const PairRows> make_pair_rows(
    std::shared_ptr<const Tokenizer> tokenizer,
    const std::vector<std::pair<std::string, std::string>>& pairs, const PairRowsOptions& options) {
  std::vector<TextRow> rows;
  for (const auto& [source, target] : pairs) rows.push_back(pair_row(*tokenizer, source, target));
  return std::make_shared<PairRows>(std::move(tokenizer), std::move(rows), options);
}

}  // namespace lethe
