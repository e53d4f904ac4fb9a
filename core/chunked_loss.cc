#include "core/chunked_loss.h"

#include <algorithm>

#include "core/loss.h"

namespace lethe {
namespace {

/// Positions [start, start + n) of a batch.
struct Chunk {
  Tensor targets, weights;
  Batch masked;  // what masked_logits() reads
};

Chunk chunk_of(const Batch& batch, const Tensor& weights, int64_t start, int64_t n) {
  Chunk chunk;
  chunk.targets = batch.targets.narrow(0, start, n);
  if (weights.defined()) chunk.weights = weights.narrow(0, start, n);
  if (batch.active.defined()) {
    const bool each = batch.active.dim() == 2 && batch.active.size(0) > 1;
    chunk.masked.active = each ? batch.active.narrow(0, start, n) : batch.active;
  }
  return chunk;
}

/// The sum of weighted losses over `total`, and in place of the log-softmax its gradient times
/// `share`: weight * (softmax - one at the target).
double loss_and_gradient(Tensor& logs, const Chunk& chunk, double total, double share) {
  const Tensor targets = chunk.targets.unsqueeze(1);
  Tensor losses = logs.gather(1, targets).neg_().to(at::kDouble);
  Tensor scales = at::full({targets.size(0), 1}, share / total, logs.options());
  if (chunk.weights.defined()) {
    losses.mul_(chunk.weights.unsqueeze(1));
    scales.mul_(chunk.weights.unsqueeze(1));
  }
  logs.exp_().mul_(scales);
  logs.scatter_add_(1, targets, scales.neg());
  return losses.sum().item<double>() / total;
}

}  // namespace

double chunked_loss_backward(Model& model, const Batch& batch, int64_t chunk, double share,
                             const Backward& backward) {
  const Tensor states = model.predicted_states(batch);
  const Tensor weights = position_weights(batch);
  const int64_t positions = states.size(0);
  const double total =
      weights.defined() ? weights.sum(at::kDouble).item<double>() : static_cast<double>(positions);
  const bool graded = states.requires_grad();
  const Tensor gradient = graded ? at::empty_like(states) : Tensor();
  double loss = 0;
  for (int64_t start = 0; start < positions; start += chunk) {
    const int64_t n = std::min(chunk, positions - start);
    Tensor some = states.detach().narrow(0, start, n);
    some.set_requires_grad(graded);
    const Tensor logits = model.head(some);
    const Chunk part = chunk_of(batch, weights, start, n);
    Tensor logs = masked_logits(logits.detach(), part.masked).log_softmax(1);
    {
      const at::NoGradGuard no_grad;
      loss += loss_and_gradient(logs, part, total, share);
    }
    if (logits.requires_grad()) backward(logits, logs, /*last=*/false);
    if (graded) gradient.narrow(0, start, n).copy_(some.grad());
  }
  if (graded) backward(states, gradient, /*last=*/true);
  return loss;
}

}  // namespace lethe
