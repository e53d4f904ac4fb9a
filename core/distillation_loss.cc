#include "core/distillation_loss.h"

#include <algorithm>
#include <cmath>

#include "core/autograd_function.h"
#include "core/kernels/softmax_loss.h"

namespace lethe {
namespace {

/// sum over units of where(kept, terms, 0), mean over positions.
Tensor reduced(const Tensor& kept, const Tensor& terms) {
  return at::where(kept, terms, at::zeros_like(terms)).sum(1).mean();
}

/// -(t log s(z) + (1 - t) log(1 - s(z))) = log(1 + exp(z)) - t z
Tensor binary_loss(const Tensor& targets, const Tensor& softened) {
  const Tensor there = softened.isfinite();
  const Tensor z = at::where(there, softened, at::zeros_like(softened));
  return reduced(there, z.logaddexp(at::zeros_like(z)) - targets * z);
}

/// For a few units: one loop in place of two dozen small operations, whose overhead would be a
/// twentieth of a perceptron's step.
constexpr int64_t kFewUnits = 64;

/// One position: adds to `loss` -sum t log softmax(z / T), and with `entropy` sum t log t; the
/// gradient is factor (softmax sum(t) - t) / T.
template <class T>
void cross_position(const T* t, const T* z, int64_t units, double temperature, bool entropy,
                    double factor, double& loss, T* gradient) {
  const double most = static_cast<double>(*std::max_element(z, z + units)) / temperature;
  double sum = 0, kept = 0;
  for (int64_t u = 0; u < units; ++u) {
    const double e = std::exp(static_cast<double>(z[u]) / temperature - most);
    gradient[u] = static_cast<T>(e);
    sum += e;
    kept += static_cast<double>(t[u]);
  }
  const double log_sum = most + std::log(sum), each = factor / temperature;
  for (int64_t u = 0; u < units; ++u) {
    const auto target = static_cast<double>(t[u]);
    if (target > 0) loss -= target * (static_cast<double>(z[u]) / temperature - log_sum);
    if (target > 0 && entropy) loss += target * std::log(target);
    gradient[u] = static_cast<T>((static_cast<double>(gradient[u]) / sum * kept - target) * each);
  }
}

/// Summed over positions; the gradient is factor times that.
template <class T>
double cross_entropy_of(const Tensor& targets, const Tensor& student, double temperature,
                        bool entropy, double factor, Tensor& gradient) {
  const int64_t units = student.size(1);
  const T* t = targets.const_data_ptr<T>();
  const T* z = student.const_data_ptr<T>();
  T* to = gradient.mutable_data_ptr<T>();
  double loss = 0;
  for (int64_t i = 0; i < student.numel(); i += units) {
    cross_position(t + i, z + i, units, temperature, entropy, factor, loss, to + i);
  }
  return loss;
}

/// The same for a vocabulary, in float.
double over_many_units(const Tensor& targets, const Tensor& student, double temperature,
                       bool entropy, double factor, Tensor& gradient) {
  return kernels::soft_softmax_loss(targets.const_data_ptr<float>(),
                                    student.const_data_ptr<float>(), student.size(0),
                                    student.size(1), static_cast<float>(temperature), entropy,
                                    static_cast<float>(factor), gradient.mutable_data_ptr<float>());
}

/// Times `factor`. The gradient is made with the value, and passed on as it lies where the sum of
/// losses is minimised.
struct SoftCrossEntropy : torch::autograd::Function<SoftCrossEntropy> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& targets,
                        const Tensor& student, double temperature, bool entropy, double factor) {
    const Tensor t = targets.contiguous(), z = student.contiguous();
    Tensor gradient = at::empty_like(z);
    const double each = factor / static_cast<double>(z.size(0));
    const double loss = z.size(1) > kFewUnits
                            ? over_many_units(t, z, temperature, entropy, each, gradient)
                        : z.scalar_type() == at::kFloat
                            ? cross_entropy_of<float>(t, z, temperature, entropy, each, gradient)
                            : cross_entropy_of<double>(t, z, temperature, entropy, each, gradient);
    saved->save_for_backward({gradient});
    return at::full({}, loss * each, z.options());
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const Tensor gradient = saved->get_saved_variables()[0];
    const bool whole = gradients[0].item<double>() == 1;
    return {Tensor(), whole ? gradient : gradient * gradients[0], Tensor(), Tensor(), Tensor()};
  }
};

/// Whether SoftCrossEntropy takes them.
bool in_one_loop(const Tensor& targets, const Tensor& student) {
  const auto type = student.scalar_type();
  return student.is_cpu() && student.numel() > 0 && targets.scalar_type() == type &&
         (type == at::kFloat || (type == at::kDouble && student.size(1) <= kFewUnits));
}

}  // namespace

Tensor soft_targets(const std::string& form, const Tensor& taught, double temperature) {
  const Tensor softened = taught / temperature;
  return form == "binary" ? softened.sigmoid() : softened.softmax(1);
}

Tensor soft_loss(const std::string& form, const Tensor& targets, const Tensor& student,
                 double temperature, double factor) {
  if ((form == "cross_entropy" || form == "kl") && in_one_loop(targets, student)) {
    return SoftCrossEntropy::apply(targets, student, temperature, form == "kl", factor);
  }
  const Tensor softened = student / temperature;
  if (form == "binary") return binary_loss(targets, softened) * factor;
  const Tensor logs = at::log_softmax(softened, 1);
  if (form == "reverse_kl") {
    const Tensor there = softened.isfinite();
    const Tensor own = at::where(there, logs, at::zeros_like(logs));
    const Tensor theirs = at::where(there, targets, at::ones_like(targets)).log();
    return reduced(there, own.exp() * (own - theirs)) * factor;
  }
  const Tensor crossed = -reduced(targets > 0, targets * logs);
  if (form != "kl") return crossed * factor;
  return (crossed + reduced(targets > 0, targets * targets.log())) * factor;
}

}  // namespace lethe
