// What a strategy keeps outside twins, written at a checkpoint and read back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/torch.h"

namespace lethe {

/// One call serves both directions: writing stores the value, reading replaces it.
/// Reading a name that is not there throws Error.
class Archive {
 public:
  enum class Direction { write, read };
  Archive(Direction direction, std::map<std::string, Tensor>& tensors)
      : direction_(direction), tensors_(tensors) {}

  bool reading() const { return direction_ == Direction::read; }
  /// Names that follow are prefixed, e.g. by the strategy's name.
  void set_prefix(const std::string& prefix) { prefix_ = prefix; }

  /// Undefined tensors are allowed. A tensor is read back on the CPU, wherever it was.
  void operator()(const std::string& name, Tensor& value);
  void operator()(const std::string& name, bool& value);
  void operator()(const std::string& name, int64_t& value);
  void operator()(const std::string& name, double& value);
  void operator()(const std::string& name, std::vector<int64_t>& value);
  void operator()(const std::string& name, Random& value);

 private:
  Tensor& stored(const std::string& name);

  Direction direction_;
  std::map<std::string, Tensor>& tensors_;
  std::string prefix_;
};

}  // namespace lethe
