#include "core/formats/checkpoint.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/digest.h"
#include "core/error.h"
#include "core/formats/tensor_pickle.h"

namespace lethe {
namespace {

using nlohmann::json;

/// Tensor to file, of an index.
std::map<std::string, std::string> weight_map(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  json root;
  try {
    root = json::parse(file);
  } catch (const json::exception&) {
    fail("{} is no JSON; fetch it again", path);
  }
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (!root.is_object() || map == root.end() || !map->is_object()) {
    fail("{} lacks 'weight_map', an object of tensors and their files", path);
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) fail("{}: the file of '{}' is no text", path, tensor);
    const auto name = shard.get<std::string>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      fail("{}: the file of '{}' is '{}', expected a name within the folder", path, tensor, name);
    }
    files[tensor] = name;
  }
  return files;
}

}  // namespace

Checkpoint::Checkpoint(const std::string& path) : path_(path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) {
    open(path);
    return;
  }
  const std::vector<std::string> names = {"model.safetensors", "model.safetensors.index.json",
                                          "pytorch_model.bin", "pytorch_model.bin.index.json"};
  for (const std::string& name : names) {
    const std::string file = (fs::path(path) / name).string();
    if (!fs::exists(file)) continue;
    if (name.ends_with(".json")) {
      open_shards(file);
    } else {
      open(file);
    }
    return;
  }
  fail("{} holds no weights; expected one of {}", path, fmt::join(names, ", "));
}

Checkpoint::~Checkpoint() = default;

void Checkpoint::open(const std::string& file) {
  std::map<std::string, StoredTensor> tensors;
  if (file.ends_with(".bin") || file.ends_with(".pt") || file.ends_with(".pth")) {
    archives_.push_back(std::make_unique<ZipArchive>(file));
    tensors = read_tensor_pickle(*archives_.back());
  } else {
    safetensors_.push_back(std::make_unique<SafetensorsFile>(file));
    tensors = safetensors_.back()->tensors();
  }
  files_.push_back(file);
  for (auto& [name, tensor] : tensors) {
    if (!tensors_.emplace(name, std::move(tensor)).second) {
      fail("tensor '{}' stands in {} and in a shard before it; fetch the shards again", name, file);
    }
  }
}

void Checkpoint::open_shards(const std::string& index) {
  const std::map<std::string, std::string> map = weight_map(index);
  const auto folder = std::filesystem::path(index).parent_path();
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map) shards.insert(shard);
  for (const std::string& shard : shards) {
    const std::string file = (folder / shard).string();
    if (!std::filesystem::exists(file)) {
      fail("{} names the shard {}, which is not there; fetch it", index, shard);
    }
    open(file);
  }
  std::string faults;
  for (const auto& [tensor, shard] : map) {
    if (tensors_.count(tensor) == 0) faults += fmt::format("\n  missing in {}: {}", shard, tensor);
  }
  for (const auto& [tensor, stored] : tensors_) {
    if (map.count(tensor) == 0) faults += fmt::format("\n  not in the index: {}", tensor);
  }
  if (!faults.empty()) fail("{} and its shards disagree; fetch them again:{}", index, faults);
}

const StoredTensor& Checkpoint::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail("{} has no tensor '{}' among its {}", path_, name, tensors_.size());
  }
  return found->second;
}

std::string Checkpoint::digest() const {
  std::string facts;
  for (const auto& [name, tensor] : tensors_) {
    const std::string_view bytes(reinterpret_cast<const char*>(tensor.data), tensor.bytes);
    facts += fmt::format("{} {} [{}] {}\n", name, tensor.dtype, fmt::join(tensor.shape, ","),
                         sha256(bytes));
  }
  return sha256(facts);
}

}  // namespace lethe
