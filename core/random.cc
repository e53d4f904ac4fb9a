#include "core/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <numeric>

#include "core/error.h"

namespace lethe {
namespace {

uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

uint64_t mixed(uint64_t seed, uint64_t stream) {
  const uint64_t first = splitmix64(seed);
  return first ^ splitmix64(stream);
}

}  // namespace

uint64_t splitmix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) word = splitmix64(seed);
}

// The rotation makes the pair ordered: (1, 2) and (2, 1) must not give one sequence.
Random::Random(uint64_t seed, uint64_t stream)
    : Random(rotate(mixed(seed, 0), 17) ^ mixed(stream, 1)) {}

uint64_t Random::next() {
  const uint64_t result = rotate(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

int64_t Random::below(int64_t n) {
  if (n <= 0) fail("a random number below {} does not exist; the bound must be > 0", n);
  const auto bound = static_cast<uint64_t>(n);
  const uint64_t rejected =
      -bound % bound;  // 2^64 mod n: the low parts that would favour some results
  while (true) {
    const auto product = static_cast<unsigned __int128>(next()) * bound;
    if (static_cast<uint64_t>(product) >= rejected) return static_cast<int64_t>(product >> 64);
  }
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double x = 0, y = 0, square = 0;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  const double scale = std::sqrt(-2 * std::log(square) / square);
  spare_ = y * scale;
  has_spare_ = true;
  return x * scale;
}

std::vector<uint64_t> Random::state() const {
  std::vector<uint64_t> words(std::begin(state_), std::end(state_));
  words.push_back(std::bit_cast<uint64_t>(spare_));
  words.push_back(has_spare_ ? 1 : 0);
  return words;
}

void Random::set_state(const std::vector<uint64_t>& words) {
  std::copy(words.begin(), words.begin() + 4, std::begin(state_));
  spare_ = std::bit_cast<double>(words.at(4));
  has_spare_ = words.at(5) != 0;
}

std::vector<int64_t> permutation(int64_t n, Random& random) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);
  return order;
}

}  // namespace lethe
