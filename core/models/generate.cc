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

}  // namespace

std::vector<Generated> Decoder::continuations(const std::vector<std::vector<int64_t>>& prompts,
                                              const GenerationOptions& options) {
  if (config_.labels > 0) {
    fail("a classifier of {} labels does not generate text; open the folder of a language model",
         config_.labels);
  }
  Continuation rows(prompts.size(), options);
  if (prompts.empty()) return rows.take();
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
  const int64_t limit = positions_ ? config_.max_length : std::numeric_limits<int64_t>::max();
  std::vector<int64_t> used;  // positions of each row
  for (const auto& prompt : prompts) {
    used.push_back(prompt_->size() + static_cast<int64_t>(prompt.size()));
    if (used.back() <= limit) continue;
    fail("prompt {} has {} tokens, and the model has {} positions; shorten it", used.size(),
         used.back(), limit);
  }
  while (true) {
    for (size_t row = 0; row < used.size(); ++row) {
      if (used[row]++ > limit) rows.cut(row);
    }
    if (rows.done()) return rows.take();
    const Tensor x = hidden(ids, places, mask, caches);
    ids = rows.choose(head(x.select(1, x.size(1) - 1))).unsqueeze(1).to(device);
    places = places.narrow(1, places.size(1) - 1, 1) + 1;
    places.clamp_max_(limit - 1);
    mask = at::cat({mask, at::ones({mask.size(0), 1}, mask.options())}, 1);
  }
}

}  // namespace lethe
