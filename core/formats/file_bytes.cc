#include "core/formats/file_bytes.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"

namespace lethe {

std::string file_bytes(const std::string& path) {
  if (std::filesystem::is_directory(path)) fail("cannot read {}: it is a folder", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot open {}: {}", path, std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) fail("cannot read {}: {}", path, std::strerror(errno));
  return text.str();
}

}  // namespace lethe
