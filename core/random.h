// A small random generator whose numbers are the same on every machine and compiler, unlike those
// of the standard distributions. Free of libtorch.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace lethe {

/// One step of splitmix64 (Steele, Lea & Flood 2014): turns related seeds into unrelated ones.
uint64_t splitmix64(uint64_t& state);

/// xoshiro256** 1.0 (Blackman & Vigna 2018, arXiv:1805.01407), seeded by splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed);
  /// An independent sequence for each pair, e.g. a trial's seed and a task's number.
  Random(uint64_t seed, uint64_t stream);

  /// 64 uniform bits.
  uint64_t next();
  /// Uniform in [0, n), unbiased (Lemire 2019, arXiv:1805.10941). Throws Error unless n > 0.
  int64_t below(int64_t n);
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform();
  /// Standard normal, by the polar method (Marsaglia & Bray 1964).
  double normal();
  /// Where the sequence stands, in six words.
  std::vector<uint64_t> state() const;
  void set_state(const std::vector<uint64_t>& words);
  /// Fisher and Yates, from the back: each order equally likely.
  template <class Value>
  void shuffle(std::vector<Value>& values) {
    for (int64_t left = static_cast<int64_t>(values.size()); left > 1; --left) {
      std::swap(values[left - 1], values[below(left)]);
    }
  }

 private:
  uint64_t state_[4];
  double spare_ = 0;  // the second value of a polar pair
  bool has_spare_ = false;
};

/// 0 to n - 1 in a random order.
std::vector<int64_t> permutation(int64_t n, Random& random);

}  // namespace lethe
