#include "core/plan/states.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace lethe::plan {
namespace {

constexpr int64_t kFloat = 4;

int64_t ceil_over(int64_t n, int64_t by) { return (n + by - 1) / by; }

/// As the arena lays its ranges out: in multiples of 16 values (Arena::kUnit).
int64_t aligned(int64_t n) { return ceil_over(n, 16) * 16; }

int64_t moments_of(const std::string& optimizer) {
  return optimizer == "sgd" ? 0 : optimizer == "sgd-momentum" ? 1 : 2;
}

/// Of a dense weight.
int64_t dense_value_bytes(const PlanRequest& request) {
  return request.levers.narrow() ? 2 : value_bytes(request.dtype);
}

class Counting {
 public:
  Counting(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request)
      : model_(model),
        method_(method),
        request_(request),
        dense_(dense_value_bytes(request)),
        frozen_(request.mapped ? 0 : dense_),
        adapter_(request.levers.narrow() ? 2 : value_bytes(request.adapter_dtype)) {}

  States run() {
    for (const SeamPlan& seam : method_.seams) {
      add_frozen(seam);
      int64_t gradient = 0;
      for (const int64_t n : seam.adapter_sizes()) gradient += add_trained(n, adapter_);
      for (const int64_t n : seam.trained_sizes()) gradient += add_trained(n, dense_);
      // A checkpointed block gives all its gradients at once.
      const std::string block = block_of(seam);
      const bool together = request_.levers.checkpoint > 0 && !block.empty();
      int64_t& held = gradients_[together ? block : seam.seam.name];
      held += gradient;
      largest_gradient_ = std::max(largest_gradient_, held);
    }
    PartBytes& device = states_.device;
    const int64_t prompt = method_.prompt_tokens * method_.prompt_width;
    if (prompt > 0) largest_gradient_ = std::max(largest_gradient_, add_trained(prompt, adapter_));
    device[Part::method_state] += method_.memory.kept;
    if (request_.levers.backward_update) device[Part::gradients] = gradients_at_once();
    if (request_.levers.offload_moments) {
      std::swap(states_.host[Part::optimizer], device[Part::optimizer]);
    }
    return states_;
  }

 private:
  void add_frozen(const SeamPlan& seam) {
    PartBytes own;
    if (!seam.weight) {
      const Quantised bytes = frozen_weight_bytes(seam, method_, request_);
      PartBytes& where = is_offloaded(seam, request_) ? states_.host : own;
      where[Part::weights] += bytes.codes;
      where[Part::constants] += bytes.constants;
    }
    if (!seam.bias) own[Part::weights] += seam.seam.bias_size() * frozen_;
    own[Part::weights] += seam.adapter_frozen() * adapter_;
    states_.device += own;
  }

  /// "encoder.block.3"; empty where a seam lies beside the blocks.
  static std::string block_of(const SeamPlan& seam) {
    const size_t first = seam.seam.name.find_first_of("0123456789");
    if (first == std::string::npos) return {};
    return seam.seam.name.substr(0, seam.seam.name.find('.', first));
  }

  /// Where values move in the backward pass: of one seam, or a block. A tied table's gathers over
  /// the chunks of the loss and waits for its look-ups beside the others'.
  int64_t gradients_at_once() const {
    int64_t most = 0;
    std::string name;
    for (const auto& [seam, bytes] : gradients_) {
      if (bytes > most) name = seam;
      most = std::max(most, bytes);
    }
    most = std::max(most, largest_gradient_);
    if (!model_.tied || request_.levers.chunk == 0 || name != method_.seams.front().seam.name) {
      return most;
    }
    int64_t second = 0;
    for (const auto& [seam, bytes] : gradients_) {
      if (seam != name) second = std::max(second, bytes);
    }
    return most + second;
  }

  /// Returns the bytes of its gradient.
  int64_t add_trained(int64_t n, int64_t bytes) {
    PartBytes& device = states_.device;
    device[Part::trainable] += aligned(n) * bytes;
    device[Part::gradients] += aligned(n) * bytes;
    device[Part::optimizer] +=
        moment_bytes(n, moments_of(request_.optimizer), request_.levers.moments_8bit);
    device[Part::method_state] += method_.twins * aligned(n) * kFloat;
    if (bytes < kFloat && !request_.levers.stochastic) {
      device[Part::master] += aligned(n) * kFloat;
    }
    return aligned(n) * bytes;
  }

  const ModelFacts& model_;
  const MethodPlan& method_;
  const PlanRequest& request_;
  int64_t dense_, frozen_, adapter_, largest_gradient_ = 0;
  std::map<std::string, int64_t> gradients_;  // that live together
  States states_;
};

}  // namespace

Quantised quantised_bytes(const std::string& format, int64_t out, int64_t in, int64_t block) {
  const int64_t n = out * in;
  if (format == "int8") return {n, out * kFloat};
  if (format == "bf16") return {2 * n, 0};
  const int64_t constants = ceil_over(n, block);
  if (!format.ends_with("-dq")) return {ceil_over(n, 2), constants * kFloat};
  // One byte a constant, a float32 per 256 of them, and their mean.
  return {ceil_over(n, 2), constants + ceil_over(constants, 256) * kFloat + kFloat};
}

Quantised frozen_weight_bytes(const SeamPlan& seam, const MethodPlan& method,
                              const PlanRequest& request) {
  if (seam.quantised) {
    return quantised_bytes(method.base, seam.seam.out, seam.seam.in, request.block);
  }
  return {request.mapped ? 0 : seam.seam.weight_size() * dense_value_bytes(request), 0};
}

bool is_offloaded(const SeamPlan& seam, const PlanRequest& request) {
  return request.levers.offload_weights && !seam.weight && seam.seam.role == SeamRole::linear;
}

int64_t moment_bytes(int64_t n, int64_t moments, bool eight_bit) {
  if (!eight_bit || n < 4096) return moments * aligned(n) * kFloat;
  return moments * (n + ceil_over(n, 256) * kFloat);
}

States states(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request) {
  const auto offloaded = [&](const SeamPlan& seam) { return is_offloaded(seam, request); };
  if (request.levers.offload_weights &&
      std::none_of(method.seams.begin(), method.seams.end(), offloaded)) {
    fail("offload-weights excludes {}: no block is frozen; drop one of them", request.method);
  }
  if (request.levers.backward_update && method.rewrites_gradient) {
    fail("optimizer-in-backward excludes {}: it rewrites the whole gradient; drop one of them",
         request.method);
  }
  if (request.levers.chunk > 0 && method.reads_logits) {
    fail("chunked-loss excludes {}: it reads the logits; drop one of them", request.method);
  }
  return Counting(model, method, request).run();
}

}  // namespace lethe::plan
