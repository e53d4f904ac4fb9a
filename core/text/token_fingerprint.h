// A digest of token rows, by which overlap of splits is found. Free of libtorch.
#pragma once

#include <cstdint>
#include <vector>

namespace lethe {

/// 64-bit FNV-1a over ids, each as eight bytes, the lowest first.
class TokenFingerprint {
 public:
  TokenFingerprint& add(int64_t id) {
    for (int byte = 0; byte < 8; ++byte) {
      value_ = (value_ ^ (static_cast<uint64_t>(id) >> (8 * byte) & 0xff)) * 0x100000001b3;
    }
    return *this;
  }
  TokenFingerprint& add(const std::vector<int64_t>& ids) {
    for (const int64_t id : ids) add(id);
    return *this;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace lethe
