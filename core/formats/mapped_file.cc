#include "core/formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace lethe {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (number_ < 0) fail("cannot open {}: {}", path, std::strerror(errno));
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file(path);
  struct stat facts = {};
  if (::fstat(file.number(), &facts) != 0) fail("cannot read {}: {}", path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) fail("cannot read {}: it is no regular file", path);
  size_ = static_cast<uint64_t>(facts.st_size);
  if (size_ == 0) return;
  // Copies are made of written pages only, so no memory is set aside for them.
  void* map =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.number(), 0);
  if (map == MAP_FAILED) fail("cannot map {}: {}", path, std::strerror(errno));
  map_ = map;
}

MappedFile::~MappedFile() {
  if (map_ != nullptr) ::munmap(map_, size_);
}

}  // namespace lethe
