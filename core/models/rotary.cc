#include "core/models/rotary.h"

#include "core/autograd_function.h"
#include "core/kernels/rotate.h"
#include "core/models/heads.h"

namespace lethe {
namespace {

Tensor turned(const Tensor& given, const Tensor& cos, const Tensor& sin, bool back) {
  const Tensor x = dense_heads(given);
  const int64_t batch = x.size(0), heads = x.size(1), tokens = x.size(2), width = x.size(3);
  Tensor y = laid_by_token(x);
  const int64_t table_batch = cos.size(0) == 1 ? 0 : tokens * width;
  kernels::rotate(read_heads(x), written_heads(y), batch, heads, tokens, width,
                  cos.const_data_ptr<float>(), sin.const_data_ptr<float>(), table_batch, back);
  return y;
}

struct Rotation : torch::autograd::Function<Rotation> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x, const Tensor& cos,
                        const Tensor& sin) {
    saved->save_for_backward({cos, sin});
    return turned(x, cos, sin, /*back=*/false);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    return {turned(gradients[0], kept[0], kept[1], /*back=*/true), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor rotated(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  if (x.is_cpu() && x.scalar_type() == at::kFloat && x.numel() > 0) {
    const Tensor angles[] = {cos.contiguous(), sin.contiguous()};
    if (at::GradMode::is_enabled() && x.requires_grad()) {
      return Rotation::apply(x, angles[0], angles[1]);
    }
    return turned(x, angles[0], angles[1], /*back=*/false);
  }
  const int64_t half = x.size(-1) / 2;
  const Tensor swapped = at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);
  return x * cos + swapped * sin;
}

}  // namespace lethe
