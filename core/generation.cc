#include "core/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace lethe {
namespace {

bool holds(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// The first ids of `order` that hold at least `top_p` of the probability, at least one.
void keep_likeliest(const std::vector<double>& weights, double top_p, std::vector<int64_t>& order) {
  double all = 0, held = 0;
  for (const int64_t id : order) all += weights[static_cast<size_t>(id)];
  for (size_t kept = 0; kept < order.size(); ++kept) {
    held += weights[static_cast<size_t>(order[kept])];
    if (held < top_p * all) continue;
    order.resize(kept + 1);
    return;
  }
}

}  // namespace

int64_t draw_token(const float* logits, int64_t n, const GenerationOptions& options,
                   Random& random) {
  const double highest = *std::max_element(logits, logits + n);
  std::vector<double> weights(static_cast<size_t>(n));
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::exp((static_cast<double>(logits[i]) - highest) / options.temperature);
  }
  std::vector<int64_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  // Stable, so that ties keep the order of their ids.
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return weights[static_cast<size_t>(a)] > weights[static_cast<size_t>(b)];
  });
  if (options.top_k > 0 && options.top_k < n) {
    auto kept = static_cast<size_t>(options.top_k);
    const double least = weights[static_cast<size_t>(order[kept - 1])];
    while (kept < order.size() && weights[static_cast<size_t>(order[kept])] == least) ++kept;
    order.resize(kept);
  }
  if (options.top_p < 1) keep_likeliest(weights, options.top_p, order);
  double left = 0;
  for (const int64_t id : order) left += weights[static_cast<size_t>(id)];
  left *= random.uniform();
  for (const int64_t id : order) {
    left -= weights[static_cast<size_t>(id)];
    if (left < 0) return id;
  }
  return order.back();  // rounding left a remainder
}

Continuation::Continuation(size_t rows, const GenerationOptions& options)
    : options_(options), rows_(rows), open_(rows, true) {
  if (!(options.temperature > 0)) {
    fail("generation: temperature is {}, expected above 0; greedy text needs no sampling",
         options.temperature);
  }
  if (options.top_k < 0) fail("generation: top_k is {}, expected 0 or more", options.top_k);
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    fail("generation: top_p is {}, expected in (0, 1]", options.top_p);
  }
  for (size_t row = 0; row < rows; ++row) {
    random_.emplace_back(options.seed, static_cast<uint64_t>(options.first_row) + row);
  }
}

void Continuation::accept(size_t row, int64_t id) {
  if (holds(options_.end_ids, id)) {
    rows_[row].ended = true;
    open_[row] = false;
    return;
  }
  rows_[row].ids.push_back(id);
  if (options_.stop && options_.stop(row, rows_[row].ids)) {
    rows_[row].ended = true;
    open_[row] = false;
  }
}

Tensor Continuation::choose(const Tensor& logits) {
  Tensor next = at::full({static_cast<int64_t>(rows_.size())}, options_.pad_id, at::kLong);
  const Tensor chosen =
      options_.sample ? logits.to(at::kCPU, at::kFloat).contiguous() : logits.argmax(1).cpu();
  auto* ids = next.data_ptr<int64_t>();
  for (size_t row = 0; row < rows_.size(); ++row) {
    if (!open_[row]) continue;
    const auto at = static_cast<int64_t>(row);
    ids[row] = options_.sample ? draw_token(chosen.data_ptr<float>() + at * chosen.size(1),
                                            chosen.size(1), options_, random_[row])
                               : chosen.data_ptr<int64_t>()[row];
    accept(row, ids[row]);
  }
  ++steps_;
  return next;
}

bool Continuation::done() const {
  return steps_ >= options_.longest ||
         std::none_of(open_.begin(), open_.end(), [](bool open) { return open; });
}

}  // namespace lethe
