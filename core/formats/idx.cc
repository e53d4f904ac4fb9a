#include "core/formats/idx.h"

#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/error.h"

namespace lethe {
namespace {

std::string existing(const std::string& path) {
  if (std::filesystem::exists(path)) return path;
  if (std::filesystem::exists(path + ".gz")) return path + ".gz";
  fail("cannot open {}: neither it nor {}.gz exists", path, path);
}

/// A plain or gzip file read forward; zlib tells the two apart by the first bytes. Offsets count
/// the uncompressed bytes.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path), file_(::gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) fail("cannot open {}: {}", path, std::strerror(errno));
    ::gzbuffer(file_, 1 << 17);
  }
  ~Source() { ::gzclose(file_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Up to `bytes` bytes (below 2^31); fewer at the end.
  uint64_t read_some(uint8_t* into, uint64_t bytes) {
    const int got = ::gzread(file_, into, static_cast<unsigned>(bytes));
    int code = Z_OK;
    const char* text = ::gzerror(file_, &code);
    if (code == Z_ERRNO) fail("cannot read {}: {}", path_, std::strerror(errno));
    // A cut gzip member: what could be read was returned, so the caller's own length check speaks
    // first.
    if (code == Z_BUF_ERROR && got == 0 && whole_) {
      fail("{}: the gzip data ends at byte {} without its check sum; fetch the file again", path_,
           offset_);
    }
    if (code != Z_OK && code != Z_BUF_ERROR) {
      fail("{}: the gzip data is damaged beyond byte {} ({}); fetch the file again", path_, offset_,
           reason(text));
    }
    offset_ += static_cast<uint64_t>(std::max(got, 0));
    return static_cast<uint64_t>(std::max(got, 0));
  }

  void need(uint8_t* into, uint64_t bytes, const char* what) {
    const uint64_t begin = offset_;
    if (read_some(into, bytes) != bytes) {
      fail("{} is cut short: it ends at byte {}, expected {} at bytes {} to {}", path_, offset_,
           what, begin, begin + bytes);
    }
  }

  /// Throws unless the file ends here.
  void end(const std::string& shape) {
    whole_ = true;
    uint8_t extra = 0;
    const uint64_t expected = offset_;
    if (read_some(&extra, 1) != 0) {
      fail("{} is too long: data goes on after byte {}, where its shape {} ends", path_, expected,
           shape);
    }
  }

  const std::string& path() const { return path_; }
  uint64_t offset() const { return offset_; }

 private:
  /// zlib's reason without the file's name, which it puts first.
  std::string reason(const char* text) const {
    const std::string said = text;
    return said.rfind(path_ + ": ", 0) == 0 ? said.substr(path_.size() + 2) : said;
  }

  std::string path_;
  gzFile file_;
  uint64_t offset_ = 0;
  bool whole_ = false;  // all expected bytes were read
};

std::vector<int64_t> read_shape(Source& source) {
  uint8_t magic[4];
  source.need(magic, 4, "the magic number");
  if (magic[0] != 0 || magic[1] != 0) {
    fail("{} is no idx file: bytes 0 to 2 are 0x{:02x} 0x{:02x}, expected 0x00 0x00", source.path(),
         magic[0], magic[1]);
  }
  if (magic[2] != 0x08) {
    fail("{}: the element type at byte 2 is 0x{:02x}, expected 0x08 (unsigned bytes)",
         source.path(), magic[2]);
  }
  if (magic[3] == 0) fail("{}: the rank at byte 3 is 0, expected at least 1", source.path());
  std::vector<int64_t> shape;
  for (int axis = 0; axis < magic[3]; ++axis) {
    uint8_t size[4];
    source.need(size, 4, "a size of the shape");
    shape.push_back(int64_t{size[0]} << 24 | int64_t{size[1]} << 16 | int64_t{size[2]} << 8 |
                    size[3]);
  }
  return shape;
}

uint64_t elements(const std::string& path, const std::vector<int64_t>& shape,
                  const std::string& text) {
  if (std::count(shape.begin(), shape.end(), 0) > 0) return 0;
  uint64_t product = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(size), &product)) {
      fail("{}: the shape {} has more than 2^64 elements", path, text);
    }
  }
  return product;
}

}  // namespace

IdxArray read_idx(const std::string& path) {
  Source source(existing(path));
  IdxArray array;
  array.shape = read_shape(source);
  const std::string shape = fmt::format("{}", fmt::join(array.shape, " x "));
  const uint64_t begin = source.offset();
  const uint64_t wanted = elements(source.path(), array.shape, shape);
  // In pieces, so that a damaged shape ends in a message and not in an allocation of its size.
  constexpr uint64_t kPiece = 8 << 20;
  while (array.data.size() < wanted) {
    const uint64_t have = array.data.size();
    const uint64_t piece = std::min(kPiece, wanted - have);
    array.data.resize(have + piece);
    const uint64_t got = source.read_some(array.data.data() + have, piece);
    if (got < piece) {
      fail("{} is cut short: it ends at byte {}, expected {} for its shape {}", source.path(),
           source.offset(), begin + wanted, shape);
    }
  }
  source.end(shape);
  return array;
}

}  // namespace lethe
