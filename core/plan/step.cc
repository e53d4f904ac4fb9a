#include "core/plan/step.h"

#include <algorithm>
#include <utility>

namespace lethe::plan {
namespace {

/// Buffers of one chunk's logits: themselves, and their log-softmax, which becomes their gradient
/// (core/chunked_loss.cc).
constexpr int64_t kChunkBuffers = 2;

/// Ids, targets, and but for classifiers positions and their rows, in 8 bytes each; masks in 1.
int64_t batch_bytes(const ModelFacts& model, const Shapes& shapes, bool padded) {
  int64_t tokens = shapes.rows * shapes.length;
  if (model.form == Form::seq2seq) tokens += shapes.rows * shapes.target;
  const int64_t predicted = (model.classifies ? 1 : 3) * shapes.predicted;
  return 8 * (tokens + predicted + shapes.rows) + (padded ? shapes.rows * shapes.length : 0);
}

/// core/loss.cc, task_loss: the loss of a classifier keeps its log-softmax.
Ghost logarithms_loss(Tape& tape, const Ghost& logits) {
  Effect softmax;
  softmax.bytes = logits.bytes;
  softmax.saves_result = true;
  softmax.part = Part::logits;
  const Ghost logarithms = tape.run({{logits, logits.bytes}}, softmax);
  Effect nll;
  nll.bytes = 4;
  nll.saved = {logarithms};
  nll.saves_more = 4;  // the sum of weights
  return tape.run({{logarithms, logits.bytes}}, nll);
}

/// That of tokens makes the gradient at once and hands it on.
Ghost tokens_loss(Tape& tape, const Ghost& logits) {
  Effect effect;
  effect.bytes = logits.bytes;
  effect.part = Part::logits;
  Ghost loss = tape.run({{logits, 0}}, effect);
  loss.bytes = 4;
  return loss;
}

/// The trainer holds the logits until the step is done (core/trainer_step.cc, one_step).
void whole_loss(Tape& tape, const Ghost& logits, bool classifies) {
  tape.meter().at("loss");
  Ghost loss = classifies ? logarithms_loss(tape, logits) : tokens_loss(tape, logits);
  tape.meter().phase("backward");
  if (!classifies) {
    const Ghost scalars = tape.leaf(Part::activations, 8);  // the value, and its gradient
    tape.backward(loss, std::move(loss.storage));
    return;
  }
  // Whoever starts the pass holds its first gradient.
  const auto one = tape.leaf(Part::activations, loss.bytes).storage;
  tape.backward(loss, one);
}

/// A few positions at a time: their logits, the gradient of the states, and the head's gradient
/// where it lies.
void chunked_loss(Tape& tape, const Operators& ops, Ghost states, int64_t vocabulary) {
  tape.meter().at("loss");
  const int64_t held = std::min(ops.request.levers.chunk, ops.shapes.predicted);
  const auto gradient = tape.leaf(Part::activations, states.bytes).storage;
  tape.leaf(Part::logits, kChunkBuffers * ops.bytes_of(held * vocabulary));
  tape.meter().phase("backward");
  tape.backward(states, gradient);  // held by whoever starts the pass
}

int64_t classes_of(const ModelFacts& model) {
  return model.tied ? model.seams.front().out : model.seams.back().out;
}

}  // namespace

Shapes shapes_of(const ModelFacts& model, const PlanRequest& request) {
  Shapes shapes;
  shapes.rows = request.batch / request.levers.accumulate;
  shapes.length = request.length;
  shapes.target = request.target_length > 0 ? request.target_length : request.length;
  const int64_t all = model.form == Form::seq2seq ? shapes.target : shapes.length;
  const int64_t each = request.predicted > 0 ? std::min(request.predicted, all) : all;
  shapes.predicted = model.classifies ? shapes.rows : shapes.rows * each;
  shapes.value = value_bytes(request.compute);
  return shapes;
}

void run_step(Meter& meter, const ModelFacts& model, const MethodPlan& method,
              const PlanRequest& request) {
  const Shapes shapes = shapes_of(model, request);
  Tape tape(meter);
  meter.phase("forward");
  meter.at("batch");
  Operators ops(tape, model, method, request, shapes);
  const Ghost batch = tape.leaf(Part::workspace, batch_bytes(model, shapes, request.padded));
  Ghost result = model.form == Form::decoder   ? decoder_pass(ops)
                 : model.form == Form::seq2seq ? seq2seq_pass(ops)
                                               : encoder_pass(ops);
  if (request.levers.chunk > 0) {
    chunked_loss(tape, ops, std::move(result), classes_of(model));
  } else {
    whole_loss(tape, result, model.classifies);
  }
}

}  // namespace lethe::plan
