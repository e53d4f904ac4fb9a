#include "core/weight_stream.h"

#include "core/memory.h"

namespace lethe {

CudaFetch WeightStream::fetch(const OffloadedWeight& weight) {
  const MemoryTag tag(Category::workspace);
  ++copies_;
  const std::vector<Tensor> host = weight.host_tensors();
  if (device_.is_cuda()) return cuda_fetch(device_.index(), host);
  CudaFetch fetched;
  for (const Tensor& tensor : host) fetched.there.push_back(tensor.to(device_));
  return fetched;
}

std::vector<Tensor> WeightStream::take(const OffloadedWeight& weight) {
  const at::NoGradGuard no_grad;
  if (last_ != nullptr) next_[{before_, last_}] = &weight;
  before_ = std::exchange(last_, &weight);
  if (coming_ == &weight) {
    ++guessed_;
  } else {
    fetched_ = {};  // lets a wrong guess go before another comes
    fetched_ = fetch(weight);
  }
  if (device_.is_cuda()) cuda_await(device_.index(), fetched_);
  const std::vector<Tensor> there = fetched_.there;
  const auto found = next_.find({before_, last_});
  coming_ = found == next_.end() ? nullptr : found->second;
  if (coming_ == nullptr) {
    fetched_ = {};
  } else if (coming_ != &weight) {  // else what is there stays
    fetched_ = fetch(*coming_);
  }
  return there;
}

void WeightStream::forget(const OffloadedWeight& weight) {
  if (coming_ == &weight) {
    coming_ = nullptr;
    fetched_ = {};
  }
  if (last_ == &weight) last_ = nullptr;
  if (before_ == &weight) before_ = nullptr;
  std::erase_if(next_, [&](const auto& known) {
    return known.first.first == &weight || known.first.second == &weight || known.second == &weight;
  });
}

}  // namespace lethe
