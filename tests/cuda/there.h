// Arrays of a test in the memory of a Place, between guards that show writes beyond their ends.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "tests/cuda/twin_checks.h"

namespace lethe::kernels {

template <class T>
class There {
 public:
  There(Place& place, const std::vector<T>& values)
      : place_(place), bytes_(values.size() * sizeof(T)) {
    std::vector<char> all(bytes_ + 2 * kGuard, kMark);
    if (bytes_ > 0) std::memcpy(all.data() + kGuard, values.data(), bytes_);
    begin_ = static_cast<char*>(place.put(all));
  }

  T* data() const { return reinterpret_cast<T*>(begin_ + kGuard); }

  std::vector<T> back() const {
    const std::vector<char> all = place_.get(begin_);
    const auto kept = [](char byte) { return byte == kMark; };
    CHECK(std::all_of(all.begin(), all.begin() + kGuard, kept));
    CHECK(std::all_of(all.end() - kGuard, all.end(), kept));
    std::vector<T> values(bytes_ / sizeof(T));
    if (bytes_ > 0) std::memcpy(values.data(), all.data() + kGuard, bytes_);
    return values;
  }

  /// Whether it holds `values`, bit for bit.
  bool holds(const std::vector<T>& values) const {
    return bytes_ == values.size() * sizeof(T) &&
           (bytes_ == 0 || std::memcmp(back().data(), values.data(), bytes_) == 0);
  }

 private:
  static constexpr int64_t kGuard = 256;
  static constexpr char kMark = 0x5a;
  Place& place_;
  size_t bytes_;
  char* begin_ = nullptr;
};

}  // namespace lethe::kernels
