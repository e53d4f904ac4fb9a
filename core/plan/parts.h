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
  /// Where the step is from now on, for the report of the peak: "forward" or "backward", and the
  /// place, "block 3".
  void phase(const char* name) { phase_ = name; }
  void at(const std::string& place) { place_ = place; }
  const std::string& place() const { return place_; }

  int64_t live() const { return live_total_; }
  const PartBytes& at_peak() const { return at_peak_; }
  const PartBytes& host_peak() const { return host_peak_; }  ///< each part's own
  int64_t peak() const { return peak_; }
  /// Of the peak: "backward, block 3".
  std::string moment() const { return peak_phase_ + std::string(", ") + peak_place_; }

 private:
  PartBytes live_, at_peak_, host_, host_peak_;
  int64_t live_total_ = 0, peak_ = 0;
  const char *phase_ = "between steps", *peak_phase_ = phase_;
  std::string place_, peak_place_;
};

}  // namespace lethe::plan
