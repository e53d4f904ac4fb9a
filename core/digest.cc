#include "core/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "core/error.h"

namespace lethe {
namespace {

using Hash = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Hash start() {
  Hash hash(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!hash || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) {
    fail("OpenSSL offers no SHA-256; install a libssl that has it");
  }
  return hash;
}

std::string finish(const Hash& hash) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(hash.get(), bytes, &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  const Hash hash = start();
  EVP_DigestUpdate(hash.get(), bytes.data(), bytes.size());
  return finish(hash);
}

std::string sha256_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read {}: {}", path, std::strerror(errno));
  const Hash hash = start();
  std::vector<char> block(1 << 20);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    EVP_DigestUpdate(hash.get(), block.data(), static_cast<size_t>(file.gcount()));
  }
  return finish(hash);
}

}  // namespace lethe
