#include "core/models/initial.h"

#include <cmath>

namespace lethe {

Tensor uniform_weight(int64_t rows, int64_t columns, double bound, at::Generator generator) {
  return at::empty({rows, columns}, at::kFloat).uniform_(-bound, bound, std::move(generator));
}

Tensor normal_weight(int64_t rows, int64_t columns, double deviation, at::Generator generator) {
  if (!generator.defined()) return at::empty({1, 1}, at::kFloat).expand({rows, columns});
  return at::empty({rows, columns}, at::kFloat).normal_(0, deviation, std::move(generator));
}

std::unique_ptr<Linear> fan_in_linear(const std::string& name, int64_t in, int64_t out,
                                      at::Generator generator, SeamKind kind) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  Tensor weight = uniform_weight(out, in, bound, generator);
  Tensor bias = uniform_weight(1, out, bound, generator).view({out});
  return std::make_unique<Linear>(name, std::move(weight), std::move(bias), kind);
}

}  // namespace lethe
