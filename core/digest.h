// SHA-256 digests of bytes and files, as lower-case hexadecimal text. Free of libtorch.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lethe {

/// 64 hexadecimal characters.
std::string sha256(std::string_view bytes);

/// Digest of a file's content, read in blocks. Throws Error naming the file when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace lethe
