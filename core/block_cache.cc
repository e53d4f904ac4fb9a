#include "core/block_cache.h"

namespace lethe {

void* BlockCache::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = by_size_.find(bytes);
  if (found == by_size_.end() || found->second.empty()) return nullptr;
  const Blocks::iterator newest = found->second.back();
  void* data = newest->data;
  found->second.pop_back();
  blocks_.erase(newest);
  held_ -= bytes;
  return data;
}

void BlockCache::give(void* block, size_t bytes) {
  if (bytes > most_) return release_(block);
  const std::lock_guard lock(mutex_);
  while (held_ + bytes > most_) release_oldest();
  blocks_.push_front({block, bytes});
  by_size_[bytes].push_back(blocks_.begin());
  held_ += bytes;
}

void BlockCache::clear() {
  const std::lock_guard lock(mutex_);
  while (!blocks_.empty()) release_oldest();
}

size_t BlockCache::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void BlockCache::release_oldest() {
  const Block oldest = blocks_.back();
  const auto same = by_size_.find(oldest.bytes);
  same->second.pop_front();
  if (same->second.empty()) by_size_.erase(same);
  blocks_.pop_back();
  held_ -= oldest.bytes;
  release_(oldest.data);
}

}  // namespace lethe
