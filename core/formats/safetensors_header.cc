#include "core/formats/safetensors_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/error.h"

namespace lethe {
namespace {

using nlohmann::json;

struct Dtype {
  std::string_view name;
  uint64_t bits;
};
// In the order of the reference implementation's enumeration, which is its writer's order of
// tensors.
constexpr std::array<Dtype, 22> kDtypes = {
    {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
     {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
     {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
     {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
     {"I64", 64},        {"U64", 64}}};

size_t dtype_rank(const std::string& path, const std::string& name, const std::string& dtype) {
  const auto found = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const Dtype& known) { return known.name == dtype; });
  if (found == kDtypes.end()) {
    std::vector<std::string_view> names;
    for (const Dtype& known : kDtypes) names.push_back(known.name);
    fail("{}: tensor '{}' has the unknown dtype '{}'; known: {}", path, name, dtype,
         fmt::join(names, ", "));
  }
  return static_cast<size_t>(found - kDtypes.begin());
}

/// Bytes that dtype and shape ask for.
uint64_t bytes_of(const std::string& path, const std::string& name, const StoredTensor& tensor) {
  const uint64_t width = kDtypes[dtype_rank(path, name, tensor.dtype)].bits;
  uint64_t bits = width;
  const bool empty = std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0;
  for (const int64_t size : tensor.shape) {
    if (size < 0) fail("{}: tensor '{}' has the negative size {}", path, name, size);
    if (!empty && __builtin_mul_overflow(bits, static_cast<uint64_t>(size), &bits)) {
      fail("{}: tensor '{}' of {} [{}] has more bits than 64-bit integers count", path, name,
           tensor.dtype, fmt::join(tensor.shape, ", "));
    }
  }
  if (empty) return 0;
  if (bits % 8 != 0) {
    fail("{}: tensor '{}' of {} [{}] takes {} bits, which is no whole number of bytes", path, name,
         tensor.dtype, fmt::join(tensor.shape, ", "), bits);
  }
  return bits / 8;
}

/// JSON whose objects name no key twice; the library alone would silently keep the last.
json parse_unique(const std::string& path, std::string_view text) {
  std::vector<std::set<std::string>> open;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > 4) fail("{}: the header is nested deeper than any safetensors header", path);
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key &&
        !open.back().insert(parsed.get<std::string>()).second) {
      fail("{}: the name '{}' stands twice in the header", path, parsed.get<std::string>());
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::parse_error& error) {
    fail("{}: the header is no valid JSON at byte {} of {}", path, error.byte, text.size());
  } catch (const json::exception&) {
    fail("{}: the header is no valid JSON: it holds a number out of range", path);
  }
}

/// A list of integers >= 0 under `key`.
std::vector<int64_t> sizes(const std::string& path, const std::string& name, const json& entry,
                           const char* key) {
  const json& list = entry.contains(key) ? entry.at(key) : json();
  const auto fits = [](const json& item) {
    return item.is_number_unsigned() && item.get<uint64_t>() <= uint64_t{INT64_MAX};
  };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), fits)) {
    fail("{}: tensor '{}' needs '{}' as a list of integers from 0 to 2^63 - 1, found {}", path,
         name, key, entry.contains(key) ? list.dump() : "none");
  }
  return list.get<std::vector<int64_t>>();
}

SafetensorsHeader::Entry parse_entry(const std::string& path, const std::string& name,
                                     const json& entry) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.at("dtype").is_string()) {
    fail("{}: tensor '{}' needs an object with dtype, shape and data_offsets, found {}", path, name,
         entry.dump());
  }
  SafetensorsHeader::Entry read;
  read.tensor.dtype = entry.at("dtype").get<std::string>();
  read.tensor.shape = sizes(path, name, entry, "shape");
  const std::vector<int64_t> offsets = sizes(path, name, entry, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    fail("{}: tensor '{}' has data_offsets [{}], expected [begin, end] with begin <= end", path,
         name, fmt::join(offsets, ", "));
  }
  read.begin = static_cast<uint64_t>(offsets[0]);
  read.tensor.bytes = static_cast<uint64_t>(offsets[1] - offsets[0]);
  const uint64_t needed = bytes_of(path, name, read.tensor);
  if (needed != read.tensor.bytes) {
    fail("{}: tensor '{}' of {} [{}] takes {} bytes, and its data_offsets [{}] hold {}", path, name,
         read.tensor.dtype, fmt::join(read.tensor.shape, ", "), needed, fmt::join(offsets, ", "),
         read.tensor.bytes);
  }
  return read;
}

std::map<std::string, std::string> parse_metadata(const std::string& path, const json& object) {
  std::map<std::string, std::string> metadata;
  if (!object.is_object()) {
    fail("{}: __metadata__ needs an object of texts, found {}", path, object.dump());
  }
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) {
      fail("{}: __metadata__ needs texts, found {} under '{}'", path, value.dump(), key);
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

void check_tiling(const std::string& path, const SafetensorsHeader& header, uint64_t data_bytes) {
  std::vector<std::tuple<uint64_t, uint64_t, std::string>> pieces;
  for (const auto& [name, entry] : header.entries) {
    pieces.emplace_back(entry.begin, entry.begin + entry.tensor.bytes, name);
  }
  std::sort(pieces.begin(), pieces.end());
  uint64_t expected = 0;
  for (const auto& [begin, end, name] : pieces) {
    if (begin != expected) {
      fail(
          "{}: tensor '{}' begins at byte {} of the data, expected {}: tensors follow each other "
          "without holes or overlap",
          path, name, begin, expected);
    }
    expected = end;
  }
  if (expected > data_bytes) {
    fail("{} is cut short: its tensors take {} bytes, and {} are there; fetch or write it again",
         path, expected, data_bytes);
  }
  if (expected < data_bytes) {
    fail("{}: {} bytes follow the {} bytes of the last tensor; nothing may", path,
         data_bytes - expected, expected);
  }
}

}  // namespace

SafetensorsHeader parse_header(const std::string& path, std::string_view text,
                               uint64_t data_bytes) {
  if (text.empty() || text[0] != '{') {
    fail("{} is no safetensors file: its header does not begin with '{{'", path);
  }
  const json parsed = parse_unique(path, text);
  SafetensorsHeader header;
  for (const auto& [name, entry] : parsed.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(path, entry);
    } else {
      header.entries[name] = parse_entry(path, name, entry);
    }
  }
  check_tiling(path, header, data_bytes);
  return header;
}

PlannedFile plan_file(const std::string& path, const std::map<std::string, StoredTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<std::tuple<int64_t, std::string, const StoredTensor*>> order;
  for (const auto& [name, tensor] : tensors) {
    if (name == "__metadata__") fail("{}: no tensor may be named '__metadata__'", path);
    const uint64_t needed = bytes_of(path, name, tensor);
    if (needed != tensor.bytes) {
      fail("{}: tensor '{}' of {} [{}] takes {} bytes, and {} are given", path, name, tensor.dtype,
           fmt::join(tensor.shape, ", "), needed, tensor.bytes);
    }
    order.emplace_back(-static_cast<int64_t>(dtype_rank(path, name, tensor.dtype)), name, &tensor);
  }
  std::sort(order.begin(), order.end());
  std::map<std::string, std::string> texts = {{"format", "pt"}};
  for (const auto& [key, value] : metadata) texts[key] = value;
  nlohmann::ordered_json header = {{"__metadata__", texts}};
  PlannedFile plan;
  uint64_t begin = 0;
  for (const auto& [rank, name, tensor] : order) {
    header[name] = {{"dtype", tensor->dtype},
                    {"shape", tensor->shape},
                    {"data_offsets", {begin, begin + tensor->bytes}}};
    begin += tensor->bytes;
    plan.order.push_back(tensor);
  }
  try {
    plan.header = header.dump();
  } catch (const json::exception&) {
    fail("{}: a tensor's name or the metadata is no valid UTF-8", path);
  }
  plan.header.append((8 - plan.header.size() % 8) % 8, ' ');
  if (plan.header.size() > kLargestHeader) {
    fail("{}: the header would have {} bytes, and at most {} are allowed", path, plan.header.size(),
         kLargestHeader);
  }
  return plan;
}

}  // namespace lethe
