#include "core/loss.h"

#include <limits>

#include "core/autograd_function.h"
#include "core/device_kernels.h"

namespace lethe {
namespace {

/// The mean over positions. The gradient is made with the value, and passed on as it lies where the
/// loss itself is minimised.
struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& logits,
                        const Tensor& targets) {
    const Tensor z = logits.contiguous(), target = targets.contiguous();
    const int64_t rows = z.size(0);
    Tensor gradient = at::empty_like(z);
    const Tensor sum = softmax_loss_on(
        z.device(), z.const_data_ptr<float>(), target.const_data_ptr<int64_t>(), rows, z.size(1),
        1 / static_cast<float>(rows), gradient.mutable_data_ptr<float>());
    saved->save_for_backward({gradient});
    return sum.div_(static_cast<double>(rows)).to(at::kFloat);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const Tensor gradient = saved->get_saved_variables()[0];
    // A GPU is not waited for: in place, which autograd refuses to a second pass.
    if (!gradient.is_cpu()) return {gradient.detach().mul_(gradients[0]), Tensor()};
    const bool whole = gradients[0].item<float>() == 1;
    return {whole ? gradient : gradient * gradients[0], Tensor()};
  }
};

/// Whether CrossEntropy takes them: predicted tokens, whose classes nothing masks. On a GPU targets
/// are not looked at, which would wait for it: a loss is NaN where one is no class.
bool takes_tokens(const Tensor& logits, const Batch& batch) {
  const bool known = batch.positions.defined() && !batch.active.defined() && has_kernels(logits) &&
                     logits.numel() > 0 && logits.requires_grad() && at::GradMode::is_enabled();
  if (!known || logits.is_cuda()) return known;
  return batch.targets.min().item<int64_t>() >= 0 &&
         batch.targets.max().item<int64_t>() < logits.size(1);
}

}  // namespace

Tensor masked_logits(const Tensor& logits, const Batch& batch) {
  if (!batch.active.defined()) return logits;
  return logits.masked_fill(batch.active.logical_not(), -std::numeric_limits<float>::infinity());
}

Tensor position_weights(const Batch& batch) {
  if (!batch.weights.defined() || !batch.row_of.defined()) return batch.weights;
  return batch.weights.index_select(0, batch.row_of);
}

Tensor task_loss(const Tensor& logits, const Batch& batch) {
  if (!batch.weights.defined() && takes_tokens(logits, batch)) {
    return CrossEntropy::apply(logits, batch.targets);
  }
  const Tensor shown = masked_logits(logits, batch);
  if (!batch.weights.defined()) return at::cross_entropy_loss(shown, batch.targets);
  const Tensor each = at::cross_entropy_loss(shown, batch.targets, {}, at::Reduction::None);
  const Tensor weights = position_weights(batch);
  return (each * weights).sum() / weights.sum();
}

double summed_loss(const Tensor& logits, const Batch& batch) {
  const Tensor each =
      at::cross_entropy_loss(masked_logits(logits, batch), batch.targets, {}, at::Reduction::None);
  return each.sum(at::kDouble).item<double>();
}

int64_t positions_right(const Tensor& logits, const Batch& batch) {
  return masked_logits(logits, batch).argmax(1).eq(batch.targets).sum().item<int64_t>();
}

int64_t rows_right(const Tensor& logits, const Batch& batch) {
  const Tensor right = masked_logits(logits, batch).argmax(1).eq(batch.targets);
  if (!batch.row_of.defined()) return right.sum().item<int64_t>();
  const Tensor wrong = at::zeros({batch.rows()}, batch.row_of.options());
  wrong.index_add_(0, batch.row_of, right.logical_not().to(at::kLong));
  return wrong.eq(0).sum().item<int64_t>();
}

}  // namespace lethe
