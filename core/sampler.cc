#include "core/sampler.h"

#include <algorithm>

#include "core/error.h"

namespace lethe {
namespace {

Tensor padded(const Tensor& rows, int64_t length) {
  if (rows.size(1) == length) return rows;
  Tensor wide = at::zeros({rows.size(0), length}, rows.options());
  wide.narrow(1, 0, rows.size(1)).copy_(rows);
  return wide;
}

/// Fills what some batches lack, so that all can be joined.
void complete(Batch& batch, bool mask, bool types, bool weights, int64_t classes) {
  const auto options = batch.inputs.options();
  if (types && !batch.token_types.defined()) batch.token_types = at::zeros_like(batch.inputs);
  if (mask && !batch.mask.defined()) {
    batch.mask = at::ones(batch.inputs.sizes(), options.dtype(at::kBool));
  }
  if (weights && !batch.weights.defined()) {
    batch.weights = at::ones({batch.rows()}, options.dtype(at::kFloat));
  }
  if (classes > 0 && !batch.active.defined()) {
    batch.active = at::ones({batch.rows(), classes}, options.dtype(at::kBool));
  }
}

Tensor join(const std::vector<Batch>& batches, Tensor Batch::*part) {
  std::vector<Tensor> found;
  for (const Batch& batch : batches) {
    if ((batch.*part).defined()) found.push_back(batch.*part);
  }
  return found.empty() ? Tensor() : at::cat(found);
}

/// What the positions of a batch count: tokens of the decoder, or of the only text.
const Tensor& predicted_text(const Batch& batch) {
  return batch.decoder_inputs.defined() ? batch.decoder_inputs : batch.inputs;
}

/// Positions and row numbers count on through the joined batch, whose predicted texts take `length`
/// tokens.
void shift_positions(std::vector<Batch>& batches, int64_t length) {
  int64_t rows = 0;
  for (Batch& batch : batches) {
    const int64_t before = predicted_text(batch).size(1);
    const Tensor row = batch.positions.div(before, "floor");
    batch.positions = (row + rows) * length + (batch.positions - row * before);
    batch.row_of = batch.row_of + rows;
    rows += batch.rows();
  }
}

/// Pads every text to the longest of its kind.
void pad_tokens(std::vector<Batch>& batches) {
  int64_t length = 0, predicted = 0;
  for (const Batch& batch : batches) {
    length = std::max(length, batch.inputs.size(1));
    predicted = std::max(predicted, predicted_text(batch).size(1));
  }
  if (batches[0].positions.defined()) shift_positions(batches, predicted);
  for (Batch& batch : batches) {
    for (Tensor* text : {&batch.inputs, &batch.mask, &batch.token_types}) {
      if (text->defined()) *text = padded(*text, length);
    }
    if (batch.decoder_inputs.defined()) {
      batch.decoder_inputs = padded(batch.decoder_inputs, predicted);
    }
  }
}

}  // namespace

Batch joined(const std::vector<Batch>& given) {
  if (given.size() == 1) return given[0];
  std::vector<Batch> batches = given;
  const bool tokens = batches[0].inputs.scalar_type() == at::kLong;
  int64_t classes = 0;
  bool mask = false, types = false, weights = false;
  for (const Batch& batch : batches) {
    mask = mask || batch.mask.defined() ||
           (tokens && batch.inputs.size(1) != batches[0].inputs.size(1));
    types = types || batch.token_types.defined();
    weights = weights || batch.weights.defined();
    if (batch.active.defined()) classes = batch.active.size(1);
  }
  for (Batch& batch : batches) complete(batch, mask, types, weights, classes);
  if (tokens) pad_tokens(batches);
  Batch whole;
  for (const auto part : {&Batch::inputs, &Batch::mask, &Batch::token_types, &Batch::decoder_inputs,
                          &Batch::positions, &Batch::row_of, &Batch::targets, &Batch::row_ids,
                          &Batch::weights, &Batch::active}) {
    whole.*part = join(batches, part);
  }
  for (const Batch& batch : batches) whole.tokens += batch.tokens;
  return whole;
}

Sampler::Sampler(const TrainingPlan& plan, int64_t batch_size, uint64_t seed, bool by_length)
    : plan_(plan), batch_size_(batch_size), by_length_(by_length), random_(seed) {
  double shares = 0;
  for (const auto& part : plan.parts) shares += part.share;
  shared_ = shares > 0;
  if (!shared_) sources_.resize(1);
  for (size_t p = 0; p < plan.parts.size(); ++p) {
    const auto& part = plan.parts[p];
    if (shared_) sources_.emplace_back();
    for (int64_t i = 0; i < part.rows->size(); ++i) sources_.back().rows.emplace_back(p, i);
    if (shared_) sources_.back().share = part.share / shares * static_cast<double>(batch_size);
  }
  if (!shared_) sources_[0].take = batch_size;
  for (Source& source : sources_) {
    if (source.rows.empty()) fail("a training plan has a part without rows; leave the part out");
    source.take = std::min<int64_t>(source.take, static_cast<int64_t>(source.rows.size()));
    source.at = source.rows.size();  // shuffled at the first draw
  }
}

/// Row by row, to the part that is owed most.
void Sampler::share_out() {
  for (Source& source : sources_) {
    source.owed += source.share;
    source.take = 0;
  }
  for (int64_t row = 0; row < batch_size_; ++row) {
    Source& most =
        *std::max_element(sources_.begin(), sources_.end(),
                          [](const Source& a, const Source& b) { return a.owed < b.owed; });
    most.owed -= 1;
    ++most.take;
  }
  for (Source& source : sources_) {
    source.take = std::min<int64_t>(source.take, static_cast<int64_t>(source.rows.size()));
  }
}

void Sampler::shuffle(Source& source) {
  random_.shuffle(source.rows);
  if (by_length_ && !shared_) sort_by_length(source);
}

/// The rows behind the last whole batch stay where the shuffle put them: they are dropped.
void Sampler::sort_by_length(Source& source) {
  constexpr size_t kBatchesAtOnce = 32;
  const auto take = static_cast<size_t>(source.take);
  const size_t whole = source.rows.size() / take * take;
  const auto length = [this](const std::pair<size_t, int64_t>& row) {
    return plan_.parts[row.first].rows->length(row.second);
  };
  const auto begin = source.rows.begin();
  std::vector<std::vector<std::pair<size_t, int64_t>>> batches;
  for (size_t at = 0; at < whole; at += kBatchesAtOnce * take) {
    const size_t end = std::min(whole, at + kBatchesAtOnce * take);
    std::stable_sort(begin + static_cast<int64_t>(at), begin + static_cast<int64_t>(end),
                     [&](const auto& a, const auto& b) { return length(a) > length(b); });
    for (size_t first = at; first < end; first += take) {
      batches.emplace_back(begin + static_cast<int64_t>(first),
                           begin + static_cast<int64_t>(first + take));
    }
  }
  random_.shuffle(batches);
  const auto worst = std::max_element(
      batches.begin(), batches.end(),
      [&](const auto& a, const auto& b) { return length(a.front()) < length(b.front()); });
  if (worst != batches.end()) std::iter_swap(batches.begin(), worst);
  size_t at = 0;
  for (const auto& batch : batches) {
    for (const auto& row : batch) source.rows[at++] = row;
  }
}

void Sampler::draw(Source& source, std::vector<std::vector<int64_t>>& chosen) {
  const auto take = static_cast<size_t>(source.take);
  if (source.at + take > source.rows.size()) {
    shuffle(source);
    source.at = 0;
  }
  for (size_t i = source.at; i < source.at + take; ++i) {
    chosen[source.rows[i].first].push_back(source.rows[i].second);
  }
  source.at += take;
}

Batch Sampler::next() {
  std::vector<std::vector<int64_t>> chosen(plan_.parts.size());
  if (shared_) share_out();
  for (Source& source : sources_) draw(source, chosen);
  std::vector<Batch> batches;
  for (size_t p = 0; p < chosen.size(); ++p) {
    if (!chosen[p].empty()) batches.push_back(plan_.parts[p].rows->batch(chosen[p]));
  }
  return joined(batches);
}

void Sampler::state(Archive& archive) {
  archive("random", random_);
  for (size_t s = 0; s < sources_.size(); ++s) {
    Source& source = sources_[s];
    std::vector<int64_t> rows;
    for (const auto& [part, index] : source.rows) {
      rows.push_back(static_cast<int64_t>(part));
      rows.push_back(index);
    }
    auto at = static_cast<int64_t>(source.at);
    archive(fmt::format("rows.{}", s), rows);
    archive(fmt::format("at.{}", s), at);
    archive(fmt::format("take.{}", s), source.take);
    archive(fmt::format("owed.{}", s), source.owed);
    for (size_t i = 0; i < source.rows.size(); ++i) {
      source.rows[i] = {static_cast<size_t>(rows.at(2 * i)), rows.at(2 * i + 1)};
    }
    source.at = static_cast<size_t>(at);
  }
}

int64_t Sampler::rows() const {
  int64_t total = 0;
  for (const Source& source : sources_) total += static_cast<int64_t>(source.rows.size());
  return total;
}

int64_t Sampler::batches_per_epoch() const {
  return std::max<int64_t>(1, rows() / std::min(batch_size_, rows()));
}

}  // namespace lethe
