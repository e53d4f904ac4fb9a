#include "core/plan/step.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/plan/states.h"

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

/// The same where others are added to it: the gradient waits for theirs, and their weights make a
/// new one.
Ghost tokens_loss_of_sum(Tape& tape, const Ghost& logits) {
  Effect effect;
  effect.bytes = 4;
  effect.saves_more = logits.bytes;
  effect.part = Part::logits;
  return tape.run({{logits, logits.bytes}}, effect);
}

Ghost loss_of(Tape& tape, const Ghost& logits, bool classifies) {
  return classifies ? logarithms_loss(tape, logits) : tokens_loss(tape, logits);
}

/// methods/derpp.cc, logits_kept(): the mean square of logits less those that were kept of the
/// rows.
Ghost matched_loss(Tape& tape, const Ghost& logits) {
  const Ghost kept = tape.leaf(Part::logits, logits.bytes);
  Effect like_logits;
  like_logits.bytes = logits.bytes;
  like_logits.part = Part::logits;
  const Ghost apart = tape.run({{logits, 0}}, like_logits);
  like_logits.saved = {apart};
  const Ghost squares = tape.run({{apart, logits.bytes}}, like_logits);
  Effect mean;
  mean.bytes = 4;
  return tape.run({{squares, logits.bytes}}, mean);
}

Ghost forward_pass(Operators& ops) {
  return ops.model.form == Form::decoder   ? decoder_pass(ops)
         : ops.model.form == Form::seq2seq ? seq2seq_pass(ops)
                                           : encoder_pass(ops);
}

void backward_pass(Tape& tape, Ghost loss, bool classifies) {
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

/// A step's batches and what runs over them, until its backward pass is done.
struct Passes {
  Passes(Tape& tape, const ModelFacts& model, const MethodPlan& method, const PlanRequest& request)
      : tape(tape), model(model), method(method), request(request) {}

  /// The logits of `rows` rows, or the states where the loss is made in chunks.
  Ghost forward(int64_t rows) {
    const Shapes shapes = shapes_of(model, method, request, rows);
    tape.meter().at("batch");
    batches.push_back(
        tape.leaf(Part::workspace, batch_bytes(model, shapes, request.padded)).storage);
    all.emplace_back(tape, model, method, request, shapes);
    return forward_pass(all.back());
  }

  Tape& tape;
  const ModelFacts& model;
  const MethodPlan& method;
  const PlanRequest& request;
  std::deque<Operators> all;
  std::vector<std::shared_ptr<Storage>> batches;
};

/// The trainer holds the logits until the step is done (core/trainer_step.cc, one_step). Losses of
/// rows from a memory are added to the step's own, so that all graphs live together.
void whole_loss(Passes& passes, const Ghost& logits) {
  Tape& tape = passes.tape;
  const bool classifies = passes.model.classifies, alone = passes.method.memory.losses == 0;
  const auto label_loss = [&](const Ghost& of) {
    return classifies || alone ? loss_of(tape, of, classifies) : tokens_loss_of_sum(tape, of);
  };
  tape.meter().at("loss");
  Ghost loss = label_loss(logits);
  for (int64_t i = 0; i < passes.method.memory.losses; ++i) {
    const Ghost past = passes.forward(passes.method.memory.loss_rows);
    tape.meter().at("loss");
    const bool matched = i == 0 && passes.method.memory.matched;
    const Ghost more = matched ? matched_loss(tape, past) : label_loss(past);
    Effect sum;
    sum.bytes = 4;
    loss = tape.run({{loss, 0}, {more, 0}}, sum);
  }
  backward_pass(tape, std::move(loss), classifies);
}

/// core/update.cc, gradient_of: a pass by itself, whose gradients live until all are there.
void memory_gradient(Meter& meter, const ModelFacts& model, const MethodPlan& method,
                     PlanRequest request) {
  request.levers.chunk = 0;
  meter.phase("forward over the memory");
  Tape tape(meter, /*whole_gradient=*/true);
  Passes passes(tape, model, method, request);
  Ghost loss = loss_of(tape, passes.forward(method.memory.gradient_rows), model.classifies);
  backward_pass(tape, std::move(loss), model.classifies);
}

/// methods/osf.cc, project(): what lies along the frozen directions, of one seam at a time.
void project(Tape& tape, const MethodPlan& method) {
  int64_t most = 0;
  for (const SeamPlan& seam : method.seams) {
    if (seam.adapter != AdapterKind::osf) continue;
    const int64_t high = std::min(seam.seam.in, seam.seam.out) - seam.rank;
    most = std::max(most, seam.rank * (high + std::max(seam.seam.in, seam.seam.out)));
  }
  tape.meter().phase("update");
  tape.meter().at("projection");
  if (most > 0) tape.leaf(Part::workspace, 4 * most);
}

/// core/weight_stream.cc: beside the weight in use there is the next one, at most the largest.
int64_t next_weight_bytes(const MethodPlan& method, const PlanRequest& request) {
  int64_t most = 0;
  for (const SeamPlan& seam : method.seams) {
    if (!is_offloaded(seam, request)) continue;
    const Quantised bytes = frozen_weight_bytes(seam, method, request);
    most = std::max(most, bytes.codes + bytes.constants);
  }
  return most;
}

/// A few positions at a time: their logits, the gradient of the states, and the head's gradient
/// where it lies.
void chunked_loss(Passes& passes, Ghost states, int64_t vocabulary) {
  Tape& tape = passes.tape;
  const Operators& ops = passes.all.front();
  tape.meter().at("loss");
  const int64_t held = std::min(ops.request.levers.chunk, ops.shapes.predicted);
  const auto gradient = tape.leaf(Part::activations, states.bytes).storage;
  tape.leaf(Part::logits, kChunkBuffers * ops.bytes_of(held * vocabulary));
  tape.meter().phase("backward");
  tape.backward(states, gradient);  // held by whoever starts the pass
}

}  // namespace

Shapes shapes_of(const ModelFacts& model, const MethodPlan& method, const PlanRequest& request,
                 int64_t rows) {
  Shapes shapes;
  shapes.rows = rows;
  shapes.prompt = method.prompt_tokens;
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
  const bool moves = request.levers.backward_update;
  Tape tape(meter, /*whole_gradient=*/false,
            moves ? states(model, method, request).device[Part::gradients] : 0);
  const auto next = tape.leaf(Part::workspace, next_weight_bytes(method, request)).storage;
  meter.phase("forward");
  Passes passes(tape, model, method, request);
  Ghost result = passes.forward(request.batch / request.levers.accumulate);
  if (request.levers.chunk > 0) {
    chunked_loss(passes, std::move(result), model.classes());
  } else {
    whole_loss(passes, result);
  }
  project(tape, method);
  if (method.memory.gradient_rows > 0) memory_gradient(meter, model, method, request);
}

}  // namespace lethe::plan
