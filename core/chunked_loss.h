// Cross-entropy of a few positions' logits at a time.
#pragma once

#include "core/model.h"

namespace lethe {

/// task_loss of the batch and its backward pass times `share`, with the logits of at most `chunk`
/// positions whole at any moment: twice their bytes. Gradients are those of the plain way but for
/// the order in which a trained head's are summed. `backward` runs autograd's pass; the first calls
/// are for the head, the last is for what its states were made from. Needs a model with states.
/// Returns the loss without `share`.
using Backward = std::function<void(const Tensor& of, const Tensor& gradient, bool last)>;
double chunked_loss_backward(Model& model, const Batch& batch, int64_t chunk, double share,
                             const Backward& backward);

}  // namespace lethe
