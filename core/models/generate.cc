// Greedy generation with a cache of keys and values.
#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/models/decoder.h"

namespace lethe {
namespace {

/// Prompts padded on the left to one length, with the mask (B, T) that is true at their tokens.
Tensor left_padded(const std::vector<std::vector<int64_t>>& prompts, Tensor& mask) {
  size_t longest = 1;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  const auto rows = static_cast<int64_t>(prompts.size());
  Tensor ids = at::zeros({rows, static_cast<int64_t>(longest)}, at::kLong);
  mask = at::zeros(ids.sizes(), at::kBool);
  for (int64_t row = 0; row < rows; ++row) {
    const auto& prompt = prompts[static_cast<size_t>(row)];
    const size_t start = longest - prompt.size();
    for (size_t i = 0; i < prompt.size(); ++i) {
      ids[row][static_cast<int64_t>(start + i)] = prompt[i];
      mask[row][static_cast<int64_t>(start + i)] = true;
    }
  }
  return ids;
}

/// New tokens that each row may have. The last one is not read, and so needs no position.
std::vector<int64_t> rooms(const std::vector<std::vector<int64_t>>& prompts,
                           std::optional<int64_t> limit, int64_t longest_row) {
  std::vector<int64_t> rooms;
  for (const auto& prompt : prompts) {
    const auto tokens = static_cast<int64_t>(prompt.size());
    if (limit && tokens > *limit) {
      fail("prompt {} has {} tokens, and the model takes {}; shorten it", rooms.size() + 1, tokens,
           *limit);
    }
    int64_t room = limit ? *limit - tokens + 1 : std::numeric_limits<int64_t>::max();
    if (longest_row > 0) room = std::min(room, longest_row - tokens);
    rooms.push_back(room);
  }
  return rooms;
}

}  // namespace

std::optional<int64_t> Decoder::longest_prompt() const {
  if (config_.max_length == 0) return std::nullopt;
  return config_.max_length - (positions_ ? prompt_->size() : 0);
}

std::vector<Generated> Decoder::continuations(const std::vector<std::vector<int64_t>>& prompts,
                                              const GenerationOptions& options) {
  if (config_.labels > 0) {
    fail("a classifier of {} labels does not generate text; open the folder of a language model",
         config_.labels);
  }
  Continuation rows(prompts, options);
  if (prompts.empty()) return rows.take();
  std::vector<int64_t> room = rooms(prompts, longest_prompt(), options.longest_row);
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(*this);
  Tensor mask;
  Tensor ids = left_padded(prompts, mask);
  const at::Device device = tokens_->weight().device();
  ids = ids.to(device);
  mask = mask.to(device);
  mask = at::cat({at::ones({mask.size(0), prompt_->size()}, mask.options()), mask}, 1);
  Tensor places = mask.cumsum(1).sub_(1).clamp_min_(0);
  std::vector<KeyValueCache> caches(blocks_.size(), KeyValueCache(mask.size(1) + options.longest));
  while (true) {
    for (size_t row = 0; row < room.size(); ++row) {
      if (room[row]-- <= 0) rows.cut(row);
    }
    if (rows.done()) return rows.take();
    const Tensor x = hidden(ids, places, mask, caches);
    ids = rows.choose(head(x.select(1, x.size(1) - 1))).unsqueeze(1).to(device);
    places = places.narrow(1, places.size(1) - 1, 1) + 1;
    if (positions_) places.clamp_max_(config_.max_length - 1);  // of rows that ended
    mask = at::cat({mask, at::ones({mask.size(0), 1}, mask.options())}, 1);
  }
}

}  // namespace lethe
