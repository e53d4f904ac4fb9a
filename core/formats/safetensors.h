// The safetensors container, read by mapping and written atomically. Free of libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/formats/mapped_file.h"

namespace lethe {

/// One tensor of a file: dtype as in the header ("F32", "BF16", "I64", ...), bytes not owned and,
/// in a file whose writer did not pad its header, not aligned.
struct StoredTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;
  int64_t elements() const;
};

/// A mapped, checked safetensors file. Opening throws Error that names file and fault for: a header
/// over 100,000,000 bytes or over the file, no JSON object, an unknown dtype, a shape whose product
/// overflows, a size that is not shape times dtype, offsets that do not tile the data exactly,
/// trailing bytes, duplicate names.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Throws naming the tensor, the file and the nearest known names.
  const StoredTensor& at(const std::string& name) const;

 private:
  MappedFile file_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Writes beside `path`, fsyncs and renames, so that a reader sees the old file or the whole new
/// one. Canonical order: dtype descending as the reference implementation ranks them (widest
/// first), then name; header padded with spaces to a multiple of 8; metadata {"format": "pt"} plus
/// `metadata`. Throws naming path and errno (a full disk, no permission).
void write_safetensors(const std::string& path, const std::map<std::string, StoredTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace lethe
