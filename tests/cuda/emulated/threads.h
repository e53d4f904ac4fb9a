// The threads of a CUDA block played by one thread of the CPU: each in turn runs up to its next
// barrier. Tests choose the order, so that a missing barrier shows as another result.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace lethe::emulated {

enum class Order : uint8_t { rising, mixed };
inline Order order = Order::rising;

/// Who is i-th of n. Mixed: falling from the middle, one further every round.
inline unsigned turn_of(unsigned i, unsigned n, unsigned round) {
  return order == Order::rising ? i : (n - 1 - i + n / 2 + round) % n;
}

struct Index {
  unsigned x = 0, y = 0, z = 0;
};
inline Index thread, block, block_size, grid_size;

class Block {
 public:
  Block(unsigned threads, std::function<void()> kernel)
      : kernel_(std::move(kernel)), lanes_(threads), stacks_(threads * kStack) {}

  /// Runs the kernel in every thread. Throws where some threads end and others wait for them.
  void run() {
    running = this;
    const auto n = static_cast<unsigned>(lanes_.size());
    for (unsigned i = 0; i < n; ++i) prepare(i);
    unsigned done = 0;
    for (unsigned round = 0; done == 0; ++round) {
      for (unsigned i = 0; i < n; ++i) {
        thread.x = turn_of(i, n, round);
        swapcontext(&between_, &lanes_[thread.x].at);
        if (lanes_[thread.x].done) ++done;
      }
      if (done != 0 && done != n) throw std::logic_error("a barrier that not every thread meets");
    }
  }

  /// What __syncthreads() is.
  static void wait() { swapcontext(&running->lanes_[thread.x].at, &running->between_); }

 private:
  struct Lane {
    ucontext_t at;
    bool done = false;
  };

  static void enter() {
    running->kernel_();
    running->lanes_[thread.x].done = true;
  }

  void prepare(unsigned i) {
    ucontext_t& at = lanes_[i].at;
    getcontext(&at);
    at.uc_stack.ss_sp = stacks_.data() + i * kStack;
    at.uc_stack.ss_size = kStack;
    at.uc_link = &between_;
    lanes_[i].done = false;
    makecontext(&at, &Block::enter, 0);
  }

  static constexpr size_t kStack = 1 << 16;
  static inline Block* running = nullptr;
  std::function<void()> kernel_;
  std::vector<Lane> lanes_;
  std::vector<char> stacks_;
  ucontext_t between_{};
};

}  // namespace lethe::emulated
