// The JSON header of a safetensors file. Free of libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/safetensors.h"

namespace lethe {

/// The format's own limit, so that a wrong file is refused before anything is allocated.
constexpr uint64_t kLargestHeader = 100'000'000;

/// What a header says; `data` of the tensors is unset, `begin` is their offset from the data's
/// start.
struct SafetensorsHeader {
  struct Entry {
    StoredTensor tensor;
    uint64_t begin = 0;
  };
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
};

/// Reads and checks a header whose data has `data_bytes` bytes. Throws Error that begins with
/// `path`.
SafetensorsHeader parse_header(const std::string& path, std::string_view text, uint64_t data_bytes);

/// The header's text, padded with spaces to a multiple of 8, and the tensors in the order of their
/// data. Throws Error that begins with `path` for a tensor that no reader would accept.
struct PlannedFile {
  std::string header;
  std::vector<const StoredTensor*> order;
};
PlannedFile plan_file(const std::string& path, const std::map<std::string, StoredTensor>& tensors,
                      const std::map<std::string, std::string>& metadata);

}  // namespace lethe
