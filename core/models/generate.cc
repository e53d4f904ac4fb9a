// Greedy generation with a cache of keys and values.
#include <algorithm>

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

std::vector<std::vector<int64_t>> Decoder::generate(
    const std::vector<std::vector<int64_t>>& prompts, int64_t longest, int64_t end_id) {
  std::vector<std::vector<int64_t>> made(prompts.size());
  if (prompts.empty()) return made;
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(*this);
  Tensor mask;
  Tensor ids = left_padded(prompts, mask);
  const at::Device device = tokens_->weight().device();
  ids = ids.to(device);
  mask = mask.to(device);
  mask = at::cat({at::ones({mask.size(0), prompt_->size()}, mask.options()), mask}, 1);
  Tensor places = mask.cumsum(1).sub_(1).clamp_min_(0);
  std::vector<KeyValueCache> caches(blocks_.size());
  std::vector<bool> ended(prompts.size(), false);
  for (int64_t step = 0; step < longest; ++step) {
    const bool full = positions_ && places.max().item<int64_t>() >= config_.max_length;
    if (full || std::all_of(ended.begin(), ended.end(), [](bool e) { return e; })) break;
    const Tensor x = hidden(ids, places, mask, caches);
    const Tensor next = head(x.select(1, x.size(1) - 1)).argmax(1).cpu();
    for (size_t row = 0; row < made.size(); ++row) {
      const auto id = next[static_cast<int64_t>(row)].item<int64_t>();
      if (id == end_id) ended[row] = true;
      if (!ended[row]) made[row].push_back(id);
    }
    ids = next.unsqueeze(1).to(device);
    places = places.narrow(1, places.size(1) - 1, 1) + 1;
    mask = at::cat({mask, at::ones({mask.size(0), 1}, mask.options())}, 1);
  }
  return made;
}

}  // namespace lethe
