// What a checkpoint's file stores, as tensors and as base weights.
#pragma once

#include <memory>
#include <string>

#include "core/formats/checkpoint.h"
#include "core/formats/hf_quantisation.h"
#include "core/linear.h"

namespace lethe {

/// A view of the file in the stored shape and dtype: F32, F16, F64, BF16 or I8. The file stays
/// mapped, and its bytes are booked as mapped weights, for as long as it is used.
Tensor mapped_view(const std::shared_ptr<const Checkpoint>& checkpoint, const StoredTensor& stored);

/// The weights of a folder that its quantization_config says are quantised.
class StoredBases {
 public:
  /// `how` outlives it.
  StoredBases(std::shared_ptr<const Checkpoint> checkpoint, const StoredQuantisation& how)
      : checkpoint_(std::move(checkpoint)), how_(how) {}

  /// Whether a tensor of this name is read with a weight beside which it stands; then `weight` is
  /// that one's name.
  bool is_part(const std::string& name, std::string* weight) const;

  /// The base of `seam` that the tensor `name` and those beside it store, its codes in the mapped
  /// file; nullptr where it is float and may be so: of the head, and of modules that config.json
  /// skips. Throws Error naming the tensor, what it holds and what was expected.
  std::unique_ptr<BaseWeight> read(const std::string& name, const Linear& seam) const;

 private:
  std::unique_ptr<BaseWeight> read_codes(const std::string& name, const Linear& seam) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  const StoredQuantisation& how_;
};

}  // namespace lethe
