#include "core/formats/zip_archive.h"

#include <algorithm>

#include "core/error.h"

namespace lethe {
namespace {

constexpr uint64_t kEndRecord = 0x06054b50, kEnd64Locator = 0x07064b50, kEnd64Record = 0x06064b50;
constexpr uint64_t kCentralHeader = 0x02014b50, kLocalHeader = 0x04034b50;
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kCentralBytes = 46, kLocalBytes = 30;
constexpr uint64_t kMax16 = 0xffff, kMax32 = 0xffffffff;

/// Reads little-endian fields of a file, never outside it.
class Fields {
 public:
  explicit Fields(const MappedFile& file) : file_(file) {}

  std::string_view bytes(uint64_t at, uint64_t count) const {
    if (at > file_.size() || count > file_.size() - at) {
      fail("{} is cut short: {} bytes at {} are outside its {}; fetch it again", file_.path(),
           count, at, file_.size());
    }
    return {reinterpret_cast<const char*>(file_.data()) + at, count};
  }
  uint64_t field(uint64_t at, int width) const {
    const std::string_view raw = bytes(at, static_cast<uint64_t>(width));
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; --i) {
      value = value << 8 | static_cast<uint8_t>(raw[static_cast<size_t>(i)]);
    }
    return value;
  }
  uint64_t u16(uint64_t at) const { return field(at, 2); }
  uint64_t u32(uint64_t at) const { return field(at, 4); }
  uint64_t u64(uint64_t at) const { return field(at, 8); }
  uint64_t size() const { return file_.size(); }
  const std::string& path() const { return file_.path(); }

 private:
  const MappedFile& file_;
};

/// Where the end record begins: it is last, but for a comment of at most 65,535 bytes.
uint64_t end_record(const Fields& file) {
  const uint64_t size = file.size();
  const uint64_t first = size > kEndBytes + kMax16 ? size - kEndBytes - kMax16 : 0;
  for (uint64_t at = size >= kEndBytes ? size - kEndBytes + 1 : 0; at-- > first;) {
    if (file.u32(at) == kEndRecord && at + kEndBytes + file.u16(at + 20) == size) return at;
  }
  fail(
      "{} is no zip archive: it has no end record; it is cut short, or of the form that torch.save "
      "wrote before version 1.6",
      file.path());
}

struct Directory {
  uint64_t members, at;
};

Directory directory(const Fields& file) {
  const uint64_t end = end_record(file);
  Directory found{file.u16(end + 10), file.u32(end + 16)};
  uint64_t disks = file.u16(end + 4);
  const bool has64 = end >= kLocatorBytes && file.u32(end - kLocatorBytes) == kEnd64Locator;
  if (has64) {
    const uint64_t record = file.u64(end - kLocatorBytes + 8);
    if (file.u32(record) != kEnd64Record) {
      fail("{} is damaged: there is no 64-bit end record at {}; fetch it again", file.path(),
           record);
    }
    disks = file.u32(record + 16);
    found = {file.u64(record + 32), file.u64(record + 48)};
  }
  if (disks != 0) fail("{} is a part of an archive on several disks; join them", file.path());
  return found;
}

/// One entry of the central directory.
struct Member {
  std::string name;
  uint64_t size, at, next;
};

/// Sizes and offsets that do not fit 32 bits stand in the extra field of id 1, in this order.
void widen(const Fields& file, uint64_t at, uint64_t end, Member& member, uint64_t packed) {
  while (end - at >= 4) {
    const uint64_t id = file.u16(at), length = file.u16(at + 2);
    uint64_t field = at + 4;
    at = field + length;
    if (at > end) break;
    if (id != 1) continue;
    const auto take = [&](uint64_t& value) {
      if (value != kMax32 || field + 8 > at) return;
      value = file.u64(field);
      field += 8;
    };
    take(member.size);
    take(packed);
    take(member.at);
  }
  if (packed != member.size) {
    fail("{}: member '{}' is damaged: it takes {} bytes for {}; fetch it again", file.path(),
         member.name, packed, member.size);
  }
}

Member member_at(const Fields& file, uint64_t at) {
  if (file.u32(at) != kCentralHeader) {
    fail("{} is damaged: its directory has no entry at {}; fetch it again", file.path(), at);
  }
  const uint64_t name = file.u16(at + 28), extra = file.u16(at + 30), note = file.u16(at + 32);
  Member member{std::string(file.bytes(at + kCentralBytes, name)), file.u32(at + 24),
                file.u32(at + 42), at + kCentralBytes + name + extra + note};
  const uint64_t flags = file.u16(at + 8), method = file.u16(at + 10);
  if ((flags & 1) != 0) fail("{}: member '{}' is encrypted", file.path(), member.name);
  if (method != 0) {
    fail("{}: member '{}' is compressed (method {}), expected stored as torch.save writes it",
         file.path(), member.name, method);
  }
  const uint64_t extras = at + kCentralBytes + name;
  widen(file, extras, extras + extra, member, file.u32(at + 20));
  return member;
}

std::string_view content(const Fields& file, const Member& member) {
  file.bytes(member.at, kLocalBytes);
  if (file.u32(member.at) != kLocalHeader) {
    fail("{}: member '{}' is damaged: its header is not at {}; fetch it again", file.path(),
         member.name, member.at);
  }
  const uint64_t skipped = file.u16(member.at + 26) + file.u16(member.at + 28);
  return file.bytes(member.at + kLocalBytes + skipped, member.size);
}

}  // namespace

ZipArchive::ZipArchive(const std::string& path) : file_(path) {
  const Fields file(file_);
  const Directory entries = directory(file);
  uint64_t at = entries.at;
  for (uint64_t i = 0; i < entries.members; ++i) {
    const Member member = member_at(file, at);
    if (!members_.emplace(member.name, content(file, member)).second) {
      fail("{} has two members '{}'; fetch it again", path, member.name);
    }
    at = member.next;
  }
}

}  // namespace lethe
