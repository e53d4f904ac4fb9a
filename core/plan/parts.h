// The parts of a training step's memory. Free of libtorch.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace lethe::plan {

enum class Part : uint8_t {
  weights,       ///< frozen
  constants,     ///< of quantisation
  trainable,     ///< adapters and trained weights
  gradients,     ///< of those
  optimizer,     ///< moments
  master,        ///< float32 copies of trained bf16 values
  method_state,  ///< importances, anchors, teachers
  activations,   ///< kept for the backward pass, with their gradients
  logits,        ///< with log-softmax and both gradients
  workspace,     ///< the batch, dequantised weights, a table's gradient before it is added
};
constexpr size_t kParts = 10;
/// "quantisation constants", ...
const char* part_name(Part part);

struct PartBytes {
  std::array<int64_t, kParts> bytes{};
  int64_t& operator[](Part part) { return bytes[static_cast<size_t>(part)]; }
  int64_t operator[](Part part) const { return bytes[static_cast<size_t>(part)]; }
  int64_t total() const;
  PartBytes& operator+=(const PartBytes& other);
};

/// What is live by part, on the device and on the host, and what was when the device held most.
class Meter {
 public:
  void add(Part part, int64_t bytes);
  void add_host(Part part, int64_t bytes);
  /// What happens from now on, for the report of the peak.
  void at(const std::string& moment) { moment_ = moment; }

  int64_t live() const { return live_total_; }
  const PartBytes& at_peak() const { return at_peak_; }
  const PartBytes& host_peak() const { return host_peak_; }  ///< each part's own
  int64_t peak() const { return peak_; }
  const std::string& moment() const { return peak_moment_; }

 private:
  PartBytes live_, at_peak_, host_, host_peak_;
  int64_t live_total_ = 0, peak_ = 0;
  std::string moment_, peak_moment_;
};

}  // namespace lethe::plan
