// SHA-256 digests of bytes and files, as lower-case hexadecimal text. Free of libtorch.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace lethe {

/// The digest of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view bytes);
  std::string text();  ///< 64 hexadecimal characters; once, and nothing is added after it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 64 hexadecimal characters.
std::string sha256(std::string_view bytes);

/// Digest of a file's content, read in blocks. Throws Error naming the file when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace lethe
