#include "core/formats/safetensors.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "core/error.h"
#include "core/formats/safetensors_header.h"

namespace lethe {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

uint64_t little_endian(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

/// Length of the header after its checks against the file's size.
uint64_t header_length(const std::string& path, const uint8_t* file, uint64_t size) {
  const uint64_t length = little_endian(file);
  if (length > kLargestHeader) {
    fail("{} is no safetensors file: its header would have {} bytes, and at most {} are allowed",
         path, length, kLargestHeader);
  }
  if (length + 8 > size) {
    fail("{} is cut short: its header takes {} bytes, and {} are there; fetch or write it again",
         path, length, size - 8);
  }
  return length;
}

/// Insertions, deletions and exchanges that turn `a` into `b` (Levenshtein 1966).
size_t edits(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchange = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, exchange});
    }
  }
  return row.back();
}

/// Up to three known names, nearest first.
std::vector<std::string> nearest(const std::string& name,
                                 const std::map<std::string, StoredTensor>& tensors) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& [known, tensor] : tensors) ranked.emplace_back(edits(name, known), known);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(3, ranked.size()); ++i) names.push_back(ranked[i].second);
  return names;
}

/// The new file beside the old; removed unless it took the old one's place.
class ReplacingFile {
 public:
  explicit ReplacingFile(const std::string& path)
      : path_(path),
        beside_(fmt::format("{}.{}.part", path, ::getpid())),
        file_(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (file_.number() < 0) refuse();
  }
  ~ReplacingFile() {
    if (!done_ && file_.number() >= 0) ::unlink(beside_.c_str());
  }

  void write(const void* data, uint64_t bytes) {
    const char* next = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = ::write(file_.number(), next, bytes);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) refuse();
      next += written;
      bytes -= static_cast<uint64_t>(written);
    }
  }

  void replace() {
    if (::fsync(file_.number()) != 0 || ::rename(beside_.c_str(), path_.c_str()) != 0) refuse();
    done_ = true;
    const std::string folder = std::filesystem::absolute(path_).parent_path().string();
    const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened.number() >= 0)
      ::fsync(opened.number());  // some file systems refuse; the file is whole
  }

 private:
  [[noreturn]] void refuse() const {
    fail("cannot write {}: {}; see that the folder exists, may be written and has room", path_,
         std::strerror(errno));
  }

  std::string path_, beside_;
  Descriptor file_;
  bool done_ = false;
};

}  // namespace

int64_t StoredTensor::elements() const {
  if (std::count(shape.begin(), shape.end(), 0) > 0) return 0;  // other sizes may overflow together
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  const uint64_t size = file_.size();
  if (size < 8) {
    fail("{} is no safetensors file: it has {} bytes, and the length of its header alone takes 8",
         path, size);
  }
  const uint64_t length = header_length(path, file_.data(), size);
  const std::string_view text(reinterpret_cast<const char*>(file_.data()) + 8, length);
  SafetensorsHeader header = parse_header(path, text, size - 8 - length);
  for (auto& [name, entry] : header.entries) {
    entry.tensor.data = file_.data() + 8 + length + entry.begin;
    tensors_.emplace(name, std::move(entry.tensor));
  }
  metadata_ = std::move(header.metadata);
}

const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail("{} has no tensor '{}'; nearest of its {} names: {}", path(), name, tensors_.size(),
         fmt::join(nearest(name, tensors_), ", "));
  }
  return found->second;
}

void write_safetensors(const std::string& path, const std::map<std::string, StoredTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const PlannedFile plan = plan_file(path, tensors, metadata);
  ReplacingFile file(path);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(plan.header.size() >> (8 * i));
  file.write(length, sizeof length);
  file.write(plan.header.data(), plan.header.size());
  for (const StoredTensor* tensor : plan.order) file.write(tensor->data, tensor->bytes);
  file.replace();
}

}  // namespace lethe
