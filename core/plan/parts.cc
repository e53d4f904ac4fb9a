#include "core/plan/parts.h"

#include <algorithm>
#include <numeric>

#include "core/plan/facts.h"

namespace lethe::plan {

const char* part_name(Part part) {
  static const char* const names[kParts] = {"weights",
                                            "quantisation constants",
                                            "trainable parameters",
                                            "gradients",
                                            "optimizer states",
                                            "master copy",
                                            "method state",
                                            "activations",
                                            "logits",
                                            "workspace"};
  return names[static_cast<size_t>(part)];
}

int64_t PartBytes::total() const { return std::accumulate(bytes.begin(), bytes.end(), int64_t{0}); }

PartBytes& PartBytes::operator+=(const PartBytes& other) {
  for (size_t i = 0; i < kParts; ++i) bytes[i] += other.bytes[i];
  return *this;
}

void Meter::add(Part part, int64_t bytes) {
  live_[part] += bytes;
  live_total_ += bytes;
  if (live_total_ <= peak_) return;
  peak_ = live_total_;
  at_peak_ = live_;
  peak_phase_ = phase_;
  peak_place_ = place_;
}

void Meter::add_host(Part part, int64_t bytes) {
  host_[part] += bytes;
  host_peak_[part] = std::max(host_peak_[part], host_[part]);
}

int64_t ModelFacts::parameters() const {
  int64_t count = 0;
  for (const SeamFacts& seam : seams) count += seam.weight_size() + seam.bias_size();
  return count;
}

}  // namespace lethe::plan
