// What a Hugging Face folder holds, from config.json and the names of its files.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lethe {

struct FolderFacts {
  std::string architecture, model_type, dtype;
  int64_t parameters = 0;
  /// embeddings, attention, mlp, norms, head, in this order; they add up to `parameters`.
  std::vector<std::pair<std::string, int64_t>> groups;
  bool tied = false;                      ///< no head of its own
  std::vector<std::string> targets;       ///< PEFT's default modules of LoRA
  int64_t adapted = 0, adapter_size = 0;  ///< modules, and parameters of LoRA of rank 8 on them
  std::vector<std::string> weights, tokenizer;  ///< files that are there, by name
};

/// Takes no memory for weights, and opens them only where config.json names no dtype: then it is
/// the commonest in the headers of the safetensors. Throws Error as HfConfig and tensor_shapes do,
/// and as Checkpoint where it opens one.
FolderFacts folder_facts(const std::string& folder);

/// The facts as `lethe inspect` prints them.
std::string facts_text(const std::string& folder, const FolderFacts& facts);

/// `lethe inspect DIR`; returns 0.
int inspect_command(const std::string& folder);

}  // namespace lethe
