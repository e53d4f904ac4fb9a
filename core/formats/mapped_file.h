// A file's bytes, mapped. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// The pages are shared with every process that maps the file. A write reaches this mapping alone,
/// as a copy of its page, never the file: weights that lie here may be changed in place.
class MappedFile {
 public:
  /// Throws Error naming path and fault: not there, not readable, no regular file. An empty file
  /// has no data.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const uint8_t* data() const { return static_cast<const uint8_t*>(map_); }
  uint64_t size() const { return size_; }

 private:
  std::string path_;
  void* map_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace lethe
