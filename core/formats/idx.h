// The idx format of MNIST and Fashion-MNIST, plain or gzip. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe {

/// Unsigned bytes of any rank.
struct IdxArray {
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;
};

/// Reads `path`, or `path` + ".gz" where only that exists. Throws Error naming the file, the byte
/// offset, what was expected and what was found (magic, element type 0x08, rank, size).
IdxArray read_idx(const std::string& path);

}  // namespace lethe
