// Generation of the encoder-decoder: the source is encoded once, its keys and values are kept.
#include <algorithm>

#include "core/error.h"
#include "core/models/seq2seq.h"

namespace lethe {
namespace {

using Ids = std::vector<std::vector<int64_t>>;

/// Sources padded on the right to one length, with the mask (B, S) that is true at their tokens.
Tensor right_padded(const Ids& sources, Tensor& mask) {
  size_t longest = 1;
  for (const auto& source : sources) longest = std::max(longest, source.size());
  const auto rows = static_cast<int64_t>(sources.size());
  Tensor ids = at::zeros({rows, static_cast<int64_t>(longest)}, at::kLong);
  mask = at::zeros(ids.sizes(), at::kBool);
  for (size_t row = 0; row < sources.size(); ++row) {
    std::copy(sources[row].begin(), sources[row].end(), ids.data_ptr<int64_t>() + row * longest);
    std::fill_n(mask.data_ptr<bool>() + row * longest, sources[row].size(), true);
  }
  return ids;
}

}  // namespace

std::vector<Generated> Seq2Seq::continuations(const Ids& prompts,
                                              const GenerationOptions& options) {
  const int64_t start = options.start_id < 0 ? config_.start_id : options.start_id;
  if (start >= config_.vocabulary) {
    fail("generation: start_id is {}, expected an id below {}, the model's vocabulary", start,
         config_.vocabulary);
  }
  Continuation rows(Ids(prompts.size(), {start}), options);
  if (prompts.empty()) return rows.take();
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(*this);
  const at::Device device = shared_->weight().device();
  Tensor mask;
  const Tensor sources = right_padded(prompts, mask);
  const Memory memory = encode(sources.to(device), mask.to(device));
  std::vector<StackCache> caches(decoder_->blocks(), StackCache(options.longest));
  Tensor ids = at::full({sources.size(0)}, start, at::kLong);
  while (!rows.done()) {
    const Tensor states = decode(ids.unsqueeze(1).to(device), memory, caches);
    ids = rows.choose(head(states.select(1, 0)));
  }
  return rows.take();
}

}  // namespace lethe
