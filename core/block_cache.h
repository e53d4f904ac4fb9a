// Freed blocks of memory, kept for the next of their size.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>

namespace lethe {

/// A training step frees and asks for the same sizes over and over. Here it gets the block that was
/// freed last, which the processor still has in its caches; the C library would give the one that
/// was freed first. Free of libtorch; for several threads.
class BlockCache {
 public:
  /// Keeps at most `most` bytes; blocks go back by `release`.
  BlockCache(size_t most, void (*release)(void*)) : most_(most), release_(release) {}
  ~BlockCache() { clear(); }
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  /// The block of exactly so many bytes that was given last, or null.
  void* take(size_t bytes);
  /// Takes over a block; what was given longest ago goes back where it would be too much.
  void give(void* block, size_t bytes);
  /// All blocks go back.
  void clear();
  size_t held() const;  ///< bytes

 private:
  struct Block {
    void* data;
    size_t bytes;
  };
  using Blocks = std::list<Block>;

  void release_oldest();

  const size_t most_;
  void (*const release_)(void*);
  mutable std::mutex mutex_;
  Blocks blocks_;                                                     // the newest first
  std::unordered_map<size_t, std::deque<Blocks::iterator>> by_size_;  // the newest last
  size_t held_ = 0;
};

}  // namespace lethe
