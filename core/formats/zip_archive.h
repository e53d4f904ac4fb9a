// Zip archives whose members are stored, not compressed, as torch.save writes them. Free of
// libtorch.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/formats/mapped_file.h"

namespace lethe {

/// A mapped archive; APPNOTE.TXT 6.3.10, with the 64-bit fields of section 4.5.3. Opening throws
/// Error naming file and fault for: no end record (what is older or cut short), several disks, a
/// directory outside the file, members that are compressed, encrypted, outside the file or named
/// twice.
class ZipArchive {
 public:
  explicit ZipArchive(const std::string& path);

  const std::string& path() const { return file_.path(); }
  /// Name to content, which is valid as long as the archive.
  const std::map<std::string, std::string_view>& members() const { return members_; }

 private:
  MappedFile file_;
  std::map<std::string, std::string_view> members_;
};

}  // namespace lethe
