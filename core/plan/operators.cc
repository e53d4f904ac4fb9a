#include "core/plan/operators.h"

#include <algorithm>
#include <utility>

#include "core/kernels/tile_product.h"
#include "core/plan/states.h"

namespace lethe::plan {

const SeamPlan* Operators::next() { return &method.seams.at(next_++); }

Ghost Operators::view(const Ghost& x, int64_t bytes, int64_t gradient) {
  Effect effect;
  effect.view = true;
  effect.bytes = bytes;
  return tape_->run({{x, gradient}}, effect);
}

Ghost Operators::add(const Ghost& a, const Ghost& b) {
  Effect effect;
  effect.bytes = a.bytes;
  // The gradient of what counts for every row is summed over them.
  return tape_->run({{a, 0}, {b, b.bytes < a.bytes ? b.bytes : 0}}, effect);
}

Ghost Operators::multiply(const Ghost& a, const Ghost& b) {
  Effect effect;
  effect.bytes = a.bytes;
  if (b.graded()) effect.saved.push_back(a);
  if (a.graded()) effect.saved.push_back(b);
  return tape_->run({{a, a.bytes}, {b, b.bytes}}, effect);
}

Ghost Operators::scaled(const Ghost& x) {
  Effect effect;
  effect.bytes = x.bytes;
  return tape_->run({{x, x.bytes}}, effect);
}

/// core/prompt.cc, Prompt::before.
Ghost Operators::behind_prompt(const Ghost& embedded) {
  if (shapes.prompt == 0) return embedded;
  Effect effect;
  effect.bytes = bytes_of(shapes.rows * shapes.sequence() * method.prompt_width);
  effect.trains = true;
  effect.parameter_gradient = bytes_of(shapes.prompt * method.prompt_width);
  return tape_->run({{embedded, 0}}, effect);
}

Ghost Operators::norm(const SeamPlan& seam, const Ghost& x) {
  const int64_t rows = x.bytes / bytes_of(seam.seam.in);
  return model.rms ? rms_norm(seam, x, rows) : layer_norm(seam, x, rows);
}

/// core/embedding.cc, Norm::forward, layer: native_layer_norm keeps x, mean and deviation of each
/// token, trained or not.
Ghost Operators::layer_norm(const SeamPlan& seam, const Ghost& x, int64_t rows) {
  Effect effect;
  effect.bytes = x.bytes;
  effect.saved = {x};
  effect.saves_more = bytes_of(2 * rows) + widened(2 * seam.seam.in);
  effect.trains = seam.weight || seam.bias;
  if (effect.trains) effect.parameter_gradient = bytes_of(2 * seam.seam.in);
  return tape_->run({{x, x.bytes}}, effect);
}

/// The same for rms, on the CPU: x and the root of each token.
Ghost Operators::rms_norm(const SeamPlan& seam, const Ghost& x, int64_t rows) {
  Effect effect;
  effect.bytes = x.bytes;
  effect.saved = {x};
  effect.saves_more = bytes_of(rows) + widened(seam.seam.in);
  effect.trains = seam.weight;
  if (seam.weight) effect.parameter_gradient = bytes_of(seam.seam.in);
  return tape_->run({{x, x.bytes}}, effect);
}

/// core/models/activation.cc.
Ghost Operators::activated(const Ghost& x) {
  Effect effect;
  effect.bytes = x.bytes;
  if (model.activation == "relu") {
    effect.saves_result = true;
  } else if (model.activation == "gelu_tanh") {
    effect.saves_more = x.bytes;  // the slope in place of x
  } else {
    effect.saved = {x};
  }
  return tape_->run({{x, x.bytes}}, effect);
}

/// core/models/activation.cc, gated(): on the CPU one loop, which keeps what the gradient of each
/// factor is multiplied by.
Ghost Operators::gated(const Ghost& a, const Ghost& b) {
  const bool one_loop = model.activation == "gelu_tanh" || model.activation == "silu";
  if (!one_loop || shapes.value != 4) return multiply(activated(a), b);
  Effect effect;
  effect.bytes = a.bytes;
  effect.saves_more = 2 * a.bytes;
  return tape_->run({{a, a.bytes}, {b, b.bytes}}, effect);
}

/// core/linear.cc, Linear::forward.
Ghost Operators::linear(const SeamPlan& seam, const Ghost& x) {
  const int64_t rows = x.bytes / bytes_of(seam.seam.in);
  Ghost input = x;
  if (seam.adapter == AdapterKind::scaled_input) input = scaled_by_parameter(x, seam.seam.in);
  Ghost y = base_product(seam, input, rows);
  if (seam.adapter != AdapterKind::none) y = adapted(seam, x, y, rows);
  return y;
}

/// core/dense_product.cc for dense weights: a trained one keeps x, a frozen one nothing.
/// core/quantised_weight.cc for quantised ones, which are made dense tile by tile.
Ghost Operators::base_product(const SeamPlan& seam, const Ghost& x, int64_t rows) {
  Effect effect;
  effect.bytes = bytes_of(rows * seam.seam.out);
  if (seam.weight) effect.saved = {x};
  effect.trains = seam.weight || (seam.bias && seam.seam.bias);
  if (seam.bias && seam.seam.bias) effect.parameter_gradient = bytes_of(seam.seam.out);
  if (seam.weight && tape_->whole_gradient()) {
    effect.parameter_gradient += gradient_of(seam.seam.weight_size());
  }
  multiply_in_tiles(seam, rows, effect);
  if (is_offloaded(seam, request)) {  // on the device for the time of the product
    const Quantised bytes = frozen_weight_bytes(seam, method, request);
    effect.scratch += bytes.codes + bytes.constants;
    effect.backward_scratch = effect.scratch;
    effect.scratch_part = Part::workspace;
  }
  return tape_->run({{x, x.bytes, /*viewed=*/true}}, effect);
}

/// core/bf16_values.cc: of a trained bf16 weight's gradient 64 rows at a time are float32.
void Operators::multiply_in_tiles(const SeamPlan& seam, int64_t rows, Effect& effect) const {
  const bool narrow = request.levers.narrow();
  if (!seam.quantised && !narrow) return;
  const kernels::DenseTiles shape(nullptr, seam.seam.out, seam.seam.in);
  effect.scratch = effect.backward_scratch = 4 * kernels::tile_scratch(rows, shape);
  if (narrow && seam.weight) {
    const int64_t gradient = 4 * std::min<int64_t>(64, seam.seam.out) * seam.seam.in;
    // Where it is made apart, the product for x is done before.
    const int64_t whole = request.levers.backward_update ? gradient_of(seam.seam.weight_size()) : 0;
    effect.backward_scratch = std::max(effect.backward_scratch - whole, gradient);
  }
  effect.scratch_part = Part::workspace;
}

/// at::linear with a small trained weight: keeps x, its gradient is made apart.
Ghost Operators::trained_product(const Ghost& x, int64_t rows, int64_t in, int64_t out) {
  Effect effect;
  effect.bytes = bytes_of(rows * out);
  effect.saved = {x};
  effect.trains = true;
  effect.parameter_gradient = bytes_of(in * out);
  return tape_->run({{x, x.bytes, /*viewed=*/true}}, effect);
}

Ghost Operators::scaled_by_parameter(const Ghost& x, int64_t width) {
  Effect effect;
  effect.bytes = x.bytes;
  effect.saved = {x};
  effect.trains = true;
  effect.parameter_gradient = bytes_of(width);
  effect.backward_scratch = x.bytes;  // before it is summed over tokens
  return tape_->run({{x, x.bytes}}, effect);
}

/// core/adapters/: low_rank.cc, dora.cc, ia3.cc; methods/adalora.cc, osf.cc.
Ghost Operators::adapted(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows) {
  if (seam.adapter == AdapterKind::scaled_input) return so_far;
  if (seam.adapter == AdapterKind::scaled_output) {
    return scaled_by_parameter(so_far, seam.seam.out);
  }
  if (seam.adapter == AdapterKind::dora) return dora(seam, x, so_far, rows);
  if (seam.adapter == AdapterKind::osf) return osf(seam, x, so_far, rows);
  if (seam.adapter == AdapterKind::low_rank) return low_rank(seam, x, so_far, rows);
  const Ghost inner = trained_product(x, rows, seam.seam.in, seam.rank);
  return add(so_far, scaled(trained_product(inner, rows, seam.rank, seam.seam.out)));
}

/// so_far + s B A x, added inside the second product: keeps x and A x.
Ghost Operators::low_rank(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows) {
  Effect effect;
  effect.bytes = so_far.bytes;
  effect.saved = {x};
  effect.saves_more =
      bytes_of(rows * seam.rank) + widened((seam.seam.in + seam.seam.out) * seam.rank);
  effect.trains = true;
  effect.parameter_gradient = bytes_of((seam.seam.in + seam.seam.out) * seam.rank);
  effect.backward_scratch = bytes_of(rows * seam.rank);
  return tape_->run({{so_far, 0}, {x, x.bytes, /*viewed=*/true}}, effect);
}

/// so_far + (ratio - 1) plain + ratio turned, with a trained ratio of each output.
Ghost Operators::dora(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows) {
  const Ghost plain = seam.seam.bias ? scaled(so_far) : so_far;
  const Ghost inner = trained_product(x, rows, seam.seam.in, seam.rank);
  const Ghost turned = scaled(trained_product(inner, rows, seam.rank, seam.seam.out));
  return add(add(so_far, scaled_by_parameter(plain, seam.seam.out)),
             scaled_by_parameter(turned, seam.seam.out));
}

/// A product with a frozen matrix.
Ghost Operators::frozen_product(const Ghost& x, int64_t bytes) {
  Effect effect;
  effect.bytes = bytes;
  return tape_->run({{x, x.bytes, /*viewed=*/true}}, effect);
}

/// What is left of so_far along the frozen directions, and U S V x over the others.
Ghost Operators::osf(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows) {
  const int64_t high = std::min(seam.seam.in, seam.seam.out) - seam.rank;
  const Ghost plain = seam.seam.bias ? scaled(so_far) : so_far;
  const Ghost kept = frozen_product(frozen_product(plain, bytes_of(rows * high)), so_far.bytes);
  const Ghost inner = trained_product(x, rows, seam.seam.in, seam.rank);
  const Ghost turned = scaled_by_parameter(inner, seam.rank);
  const Ghost low = trained_product(turned, rows, seam.rank, seam.seam.out);
  const Ghost y = add(kept, low);
  return seam.seam.bias ? scaled(y) : y;
}

Ghost Operators::chosen(const Ghost& x, int64_t width) {
  Effect effect;
  effect.bytes = bytes_of(shapes.predicted * width);
  return tape_->run({{x, x.bytes}}, effect);
}

/// core/models/decoder.cc, head(): as a Linear, or with a tied table as core/embedding.cc,
/// as_head(), which keeps the states like a trained Linear.
Ghost Operators::logits(const SeamPlan& head, const Ghost& states) {
  if (request.levers.chunk > 0) return states;
  Effect effect;
  effect.bytes = bytes_of(shapes.predicted * head.seam.out);
  effect.part = Part::logits;
  effect.trains = head.weight || (head.bias && head.seam.bias);
  if (head.weight) effect.saved = {states};
  if (head.weight && tape_->whole_gradient()) {
    effect.parameter_gradient = gradient_of(head.seam.weight_size());
  }
  multiply_in_tiles(head, shapes.predicted, effect);
  if (head.adapter == AdapterKind::none) return tape_->run({{states, states.bytes}}, effect);
  return adapted(head, states, tape_->run({{states, states.bytes}}, effect), shapes.predicted);
}

Ghost Operators::blocks(std::vector<Ghost> inputs, int64_t count,
                        const std::function<Ghost(int64_t, std::vector<Ghost>&)>& block) {
  const int64_t segment = request.levers.checkpoint;
  for (int64_t first = 0; first < count; first += std::max<int64_t>(segment, 1)) {
    tape_->meter().at("block " + std::to_string(first));
    if (segment == 0) {
      inputs[0] = block(first, inputs);
    } else {
      inputs[0] = tape_->checkpoint(
          inputs, [this, block, first, count, segment](Tape& tape, std::vector<Ghost> given) {
            Tape* const before = std::exchange(tape_, &tape);
            for (int64_t i = first; i < std::min(count, first + segment); ++i) {
              given[0] = block(i, given);
            }
            tape_ = before;
            return given[0];
          });
    }
    if (request.levers.offload_activations) tape_->end_stretch();
  }
  return inputs[0];
}

}  // namespace lethe::plan
