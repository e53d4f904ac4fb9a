#include "core/matrix_product.h"

#include <cstdlib>

#include "core/error.h"
#include "core/kernels/matrix_product.h"

namespace lethe {
namespace {

bool has_dense_lines(const Tensor& x) { return x.stride(0) == 1 || x.stride(1) == 1; }

/// Which products are faster here, on a Zen 3 with AVX2 (docs/benchmarks.md): few rows do not pay
/// for the copy of b, and an a that lies by columns would have to be copied too.
bool is_ours(const Tensor& a, const Tensor& b) {
  static const bool chosen =
      choose_own_products(std::getenv("LETHE_PRODUCTS"), __builtin_cpu_is("intel") != 0);
  if (!chosen || at::get_num_threads() > 1) return false;
  for (const Tensor* x : {&a, &b}) {
    if (!x->is_cpu() || x->scalar_type() != at::kFloat || !has_dense_lines(*x)) return false;
  }
  return a.stride(1) == 1 && a.size(0) >= (b.size(1) <= 16 ? 32 : 192);
}

kernels::MatrixView view_of(const Tensor& x) {
  return {x.const_data_ptr<float>(), x.stride(0), x.stride(1)};
}

void run(const Tensor& a, const Tensor& b, const Tensor& bias, bool add, Tensor& out) {
  kernels::MatrixProduct product{a.size(0),  b.size(1), a.size(1),     view_of(a),
                                 view_of(b), nullptr,   out.stride(0), add};
  product.out = out.mutable_data_ptr<float>();
  if (bias.defined()) product.bias = bias.const_data_ptr<float>();
  kernels::multiply(product);
}

}  // namespace

bool choose_own_products(const char* forced, bool intel) {
  const std::string name = forced == nullptr ? "" : forced;
  if (name.empty()) return !intel;
  if (name != "lethe" && name != "libtorch") {
    fail("LETHE_PRODUCTS is '{}'; expected lethe or libtorch", name);
  }
  return name == "lethe";
}

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  if (!is_ours(a, b)) return bias.defined() ? at::addmm(bias, a, b) : at::mm(a, b);
  Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  run(a, b, bias.defined() ? bias.contiguous() : bias, /*add=*/false, out);
  return out;
}

void add_product(Tensor& total, const Tensor& a, const Tensor& b) {
  if (is_ours(a, b) && total.stride(1) == 1 && total.scalar_type() == at::kFloat) {
    run(a, b, {}, /*add=*/true, total);
  } else {
    total.addmm_(a, b);
  }
}

}  // namespace lethe
