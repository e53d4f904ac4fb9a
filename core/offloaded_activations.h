// The lever offload-activations: what autograd keeps of a model's blocks lies on the host until the
// backward pass comes near.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/model.h"

namespace lethe {

/// While it lives, tensors on its device that autograd keeps within a Stretch of this thread go to
/// the host once the next stretch is done, and come back one stretch before the backward pass needs
/// them. Values are copied, so that results keep their bits. Left where they are: parameters, what
/// enters every block, and tensors below kLeast bytes. Source of the idea: Rhu et al. 2016, vDNN,
/// arXiv:1602.08124.
class OffloadedActivations {
 public:
  static constexpr int64_t kLeast = 4096;

  explicit OffloadedActivations(const at::Device& device);
  ~OffloadedActivations();
  OffloadedActivations(const OffloadedActivations&) = delete;
  OffloadedActivations& operator=(const OffloadedActivations&) = delete;

  /// The model's parameters stay on the device; again when they lie elsewhere.
  void leave(Model& model);
  /// Forgets the stretches of graphs that are done with.
  void begin_step();

  /// A block, or the blocks under one checkpoint, in the forward pass; nothing where no
  /// OffloadedActivations lives in this thread. `inputs`: of which all but the first enter every
  /// block.
  class Stretch {
   public:
    explicit Stretch(const std::vector<Tensor>& inputs);
    ~Stretch();
    Stretch(const Stretch&) = delete;
    Stretch& operator=(const Stretch&) = delete;

   private:
    OffloadedActivations* owner_;
  };

 private:
  struct Kept;
  struct Hooks;
  struct Engine;
  /// What one tensor is: its storage, offset, sizes and strides.
  using Key = std::vector<int64_t>;

  std::shared_ptr<Kept> keep(const Tensor& tensor);
  bool stays(const Tensor& tensor) const;
  void to_host(size_t stretch);
  void fetch(size_t stretch);

  at::Device device_;
  bool within_ = false;
  std::set<const void*> parameters_, entering_;  // storages that stay
  std::vector<std::vector<std::weak_ptr<Kept>>> stretches_;
  std::map<Key, std::weak_ptr<Kept>> known_;  // of stretches whose tensors are on the device
};

}  // namespace lethe
