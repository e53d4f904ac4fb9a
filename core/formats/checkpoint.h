// The weights of a Hugging Face folder, mapped, whatever files they stand in. Free of libtorch.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace lethe {

class ZipArchive;

class Checkpoint {
 public:
  /// `path` is a .safetensors or .bin file, or a folder, of which the first counts that is there:
  /// model.safetensors, model.safetensors.index.json with its shards, pytorch_model.bin,
  /// pytorch_model.bin.index.json with its shards. Throws Error where none is there, where a shard
  /// is missing or outside the folder, and where index and shards disagree, listing how.
  explicit Checkpoint(const std::string& path);
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  /// As given to the constructor.
  const std::string& path() const { return path_; }
  /// Valid as long as the checkpoint.
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// Throws naming the tensor and where it was looked for.
  const StoredTensor& at(const std::string& name) const;
  /// The files that hold tensors, in order of their names.
  const std::vector<std::string>& files() const { return files_; }
  /// SHA-256 over every tensor's name, dtype, shape and bytes: equal however they are spread over
  /// files. Reads all of them.
  std::string digest() const;

 private:
  void open(const std::string& file);
  void open_shards(const std::string& index);

  std::string path_;
  std::vector<std::string> files_;
  std::vector<std::unique_ptr<SafetensorsFile>> safetensors_;
  std::vector<std::unique_ptr<ZipArchive>> archives_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace lethe
