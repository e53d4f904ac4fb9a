#include "core/generation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

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

void discourage_repeats(float* logits, int64_t n, const std::vector<int64_t>& text,
                        double penalty) {
  for (const int64_t id : std::set<int64_t>(text.begin(), text.end())) {
    if (id < 0 || id >= n) continue;
    const auto factor = static_cast<float>(penalty);
    logits[id] = logits[id] < 0 ? logits[id] * factor : logits[id] / factor;
  }
}

void forbid_repeats(float* logits, int64_t n, const std::vector<int64_t>& text, int64_t ngram) {
  const auto known = static_cast<ptrdiff_t>(ngram - 1);  // ids of a run before its last
  if (std::ssize(text) < known) return;
  const auto last = text.end() - known;
  for (auto run = text.begin(); run + known < text.end(); ++run) {
    const int64_t id = run[known];
    if (id >= 0 && id < n && std::equal(last, text.end(), run)) {
      logits[id] = -std::numeric_limits<float>::infinity();
    }
  }
}

Continuation::Continuation(const std::vector<std::vector<int64_t>>& read,
                           const GenerationOptions& options)
    : options_(options), rows_(read.size()), open_(read.size(), true) {
  if (!(options.temperature > 0)) {
    fail("generation: temperature is {}, expected above 0; greedy text needs no sampling",
         options.temperature);
  }
  if (options.top_k < 0) fail("generation: top_k is {}, expected 0 or more", options.top_k);
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    fail("generation: top_p is {}, expected in (0, 1]", options.top_p);
  }
  if (!(options.repetition_penalty > 0)) {
    fail("generation: repetition_penalty is {}, expected above 0; 1 changes nothing",
         options.repetition_penalty);
  }
  if (options.no_repeat_ngram < 0) {
    fail("generation: no_repeat_ngram_size is {}, expected 0 or more", options.no_repeat_ngram);
  }
  if (avoids_repeats()) text_ = read;
  for (size_t row = 0; row < read.size(); ++row) {
    random_.emplace_back(options.seed, static_cast<uint64_t>(options.first_row) + row);
  }
}

bool Continuation::avoids_repeats() const {
  return options_.repetition_penalty != 1 || options_.no_repeat_ngram > 0;
}

int64_t Continuation::choice(size_t row, float* logits, int64_t n) {
  if (options_.repetition_penalty != 1) {
    discourage_repeats(logits, n, text_[row], options_.repetition_penalty);
  }
  if (options_.no_repeat_ngram > 0) forbid_repeats(logits, n, text_[row], options_.no_repeat_ngram);
  return options_.sample ? draw_token(logits, n, options_, random_[row])
                         : std::max_element(logits, logits + n) - logits;
}

void Continuation::accept(size_t row, int64_t id) {
  if (avoids_repeats()) text_[row].push_back(id);
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
  const bool by_row = options_.sample || avoids_repeats();
  const Tensor chosen =
      by_row ? logits.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous()
             : logits.argmax(1).cpu();
  auto* ids = next.data_ptr<int64_t>();
  for (size_t row = 0; row < rows_.size(); ++row) {
    if (!open_[row]) continue;
    const auto at = static_cast<int64_t>(row);
    ids[row] = by_row ? choice(row, chosen.data_ptr<float>() + at * chosen.size(1), chosen.size(1))
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
