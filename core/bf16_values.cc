#include "core/bf16_values.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "core/autograd_function.h"
#include "core/dense_product.h"
#include "core/matrix_product.h"
#include "core/memory.h"
#include "core/model.h"
#include "core/sliced_product.h"

namespace lethe {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // of a weight's gradient, in float32, on the CPU

Tensor scratch_for(int64_t tokens, const kernels::TiledWeight& tiles) {
  const MemoryTag tag(Category::workspace);
  return at::empty({kernels::tile_scratch(tokens, tiles)}, at::kFloat);
}

WeightRows rows_in(const Tensor& weight) {
  return [weight](int64_t from, int64_t n) {
    return weight.detach().narrow(0, from, n).to(at::kFloat);
  };
}

Tensor forward_product(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  const Tensor rows = rows_of(x).contiguous();
  if (!x.is_cpu()) {
    return multiply_slices(rows, weight.size(0), 1, rows_in(weight), bias ? *bias : Tensor())
        .view(shape_with_last(x, weight.size(0)));
  }
  const Tensor y = at::empty({rows.size(0), weight.size(0)}, rows.options());
  const Tensor added = bias ? bias->contiguous() : Tensor();
  multiply_tiles(rows, bf16_tiles(weight),
                 added.defined() ? added.const_data_ptr<float>() : nullptr, y);
  return y.view(shape_with_last(x, weight.size(0)));
}

/// total (out, in) in bfloat16 += gradient^T x.
void add_outer(const Tensor& total, const Tensor& gradient, const Tensor& x) {
  const MemoryTag tag(Category::workspace);
  const int64_t at_once =
      total.is_cpu() ? kRowsAtOnce : std::max(kRowsAtOnce, kSliceValues / total.size(1));
  for (int64_t from = 0; from < total.size(0); from += at_once) {
    const int64_t n = std::min(at_once, total.size(0) - from);
    total.narrow(0, from, n).add_(product(gradient.narrow(1, from, n).t(), x));
  }
}

/// Where the gradient of `parameter` is to be added: in place, where gradients gather there, or
/// into `apart`, made of zeros.
Tensor gathering(const Tensor& parameter, Tensor& apart) {
  const Tensor& total = parameter.mutable_grad();
  if (AddingGradients::on() && total.defined()) return total;
  apart = at::zeros_like(parameter);
  return apart;
}

struct Bf16Product : torch::autograd::Function<Bf16Product> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const Tensor& weight, const std::optional<Tensor>& bias) {
    // Without a gradient of the weight x is not needed.
    saved->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    saved->saved_data["bias"] = bias && bias->requires_grad();
    return forward_product(x, weight, bias);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor weight = as_given(kept[1]), &gradient = gradients[0];
    Tensor to_x, to_weight, to_bias;
    if (saved->needs_input_grad(0)) to_x = bf16_product_back(gradient, weight.detach());
    if (saved->needs_input_grad(1)) {
      add_outer(gathering(weight, to_weight), rows_of(gradient), rows_of(kept[0]));
    }
    if (saved->saved_data["bias"].toBool()) to_bias = rows_of(gradient).sum(0);
    return {to_x, to_weight, to_bias};
  }
};

struct Bf16Rows : torch::autograd::Function<Bf16Rows> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& table,
                        const Tensor& ids, int64_t padding_row) {
    saved->save_for_backward({table, ids});
    saved->saved_data["padding"] = padding_row;
    std::vector<int64_t> shape = ids.sizes().vec();
    shape.push_back(table.size(1));
    return table.index_select(0, ids.reshape(-1)).to(at::kFloat).view(shape);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor table = as_given(kept[0]);
    const int64_t padding = saved->saved_data["padding"].toInt();
    Tensor ids = kept[1].reshape(-1), rows = rows_of(gradients[0]), to_table;
    if (padding >= 0) {
      const Tensor taken = ids.ne(padding).nonzero().view(-1);
      ids = ids.index_select(0, taken);
      rows = rows.index_select(0, taken);
    }
    const auto [found, place] = at::_unique(ids, /*sorted=*/true, /*return_inverse=*/true);
    const Tensor total = gathering(table, to_table);
    const Tensor sums = total.index_select(0, found).to(at::kFloat);
    sums.index_add_(0, place, rows);
    total.index_copy_(0, found, sums.to(at::kBFloat16));
    return {to_table, {}, {}};
  }
};

}  // namespace

kernels::Bf16Tiles bf16_tiles(const Tensor& weight) {
  return {reinterpret_cast<const uint16_t*>(weight.const_data_ptr<c10::BFloat16>()), weight.size(0),
          weight.size(1)};
}

void multiply_tiles(const Tensor& x, const kernels::TiledWeight& tiles, const float* bias,
                    const Tensor& y) {
  const Tensor scratch = scratch_for(x.size(0), tiles);
  kernels::multiply(x.const_data_ptr<float>(), x.size(0), tiles, bias,
                    scratch.mutable_data_ptr<float>(), y.mutable_data_ptr<float>());
}

void multiply_tiles_back(const Tensor& gy, const kernels::TiledWeight& tiles, const Tensor& gx) {
  const Tensor scratch = scratch_for(gy.size(0), tiles);
  kernels::multiply_back(gy.const_data_ptr<float>(), gy.size(0), tiles,
                         scratch.mutable_data_ptr<float>(), gx.mutable_data_ptr<float>());
}

void narrow_values(Model& model, bool trained) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::base_weights);
  std::set<std::string> coded;
  for (Linear* linear : model.linears()) {
    if (linear->base().format() == std::string_view("float")) continue;
    linear->base().parameters(linear->name(),
                              [&](const std::string& name, Tensor&) { coded.insert(name); });
  }
  for (Parameter& parameter : model.parameters()) {
    const Tensor& value = parameter.value;
    if (value.scalar_type() != at::kFloat || (value.requires_grad() && !trained)) continue;
    if (coded.count(parameter.name) > 0) continue;
    parameter.value.set_data(value.detach().to(at::kBFloat16).contiguous());
  }
}

Tensor bf16_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  // Without a bias an empty optional: an undefined tensor is no argument of a Function.
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return Bf16Product::apply(x, weight, given);
}

Tensor bf16_product_back(const Tensor& gy, const Tensor& weight) {
  const Tensor rows = rows_of(gy).contiguous();
  Tensor gx;
  if (gy.is_cpu()) {
    gx = at::empty({rows.size(0), weight.size(1)}, rows.options());
    multiply_tiles_back(rows, bf16_tiles(weight), gx);
  } else {
    gx = multiply_slices_back(rows, weight.size(1), 1, rows_in(weight));
  }
  return gx.view(shape_with_last(gy, weight.size(1)));
}

Tensor bf16_rows(const Tensor& table, const Tensor& ids, int64_t padding_row) {
  return Bf16Rows::apply(table, ids, padding_row);
}

}  // namespace lethe
