// One optimizer step: forward, loss, backward, contributions, the fused update.
#include <algorithm>
#include <cmath>

#include "core/chunked_loss.h"
#include "core/dense_product.h"
#include "core/error.h"
#include "core/loss.h"
#include "core/pack.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/trainer.h"
#include "core/update.h"

namespace lethe {

void Trainer::backward(const Tensor& of, const Tensor& gradient, bool gathers) const {
  if (levers_.backward_update && !gathers) {
    torch::autograd::backward({of}, {gradient});
    return;
  }
  const AddingGradients adding;
  torch::autograd::backward({of}, {gradient});
}

Tensor Trainer::extra_losses(const Step& step, double share) {
  Tensor sum;
  for (auto& strategy : strategies_) {
    const Tensor extra = strategy->extra_loss(step);
    if (!extra.defined()) continue;
    extra_ += share * extra.item<double>();
    sum = sum.defined() ? sum + extra : extra;
  }
  return sum;
}

double Trainer::forward_backward(int64_t task, const Batch& batch, double share, Tensor& logits) {
  const MemoryTag tag(Category::activations);
  if (levers_.chunk > 0) {
    return chunked(batch, share, {task, step_, stream_, batch, {}, model_, arena_});
  }
  logits = model_.forward(batch);
  Tensor loss = task_loss(logits, batch);
  const double value = loss.item<double>();
  const Step step{task, step_, stream_, batch, logits, model_, arena_};
  const Tensor extra = extra_losses(step, share);
  if (extra.defined()) loss = loss + extra;
  if (share != 1) loss = loss * share;
  backward(loss);
  return value;
}

double Trainer::chunked(const Batch& batch, double share, const Step& step) {
  moving_.hold(true);
  const Tensor extra = extra_losses(step, share);
  if (extra.defined()) backward(extra * share, {}, /*gathers=*/true);
  const auto pass = [&](const Tensor& of, const Tensor& gradient, bool last) {
    moving_.hold(!last);
    if (last) settle_head();
    backward(of, gradient, /*gathers=*/!last);
  };
  return chunked_loss_backward(model_, batch, levers_.chunk, share, pass);
}

/// With the chunks done a head of its own has its gradient, which need not wait for the blocks'.
void Trainer::settle_head() {
  if (!levers_.backward_update) return;
  for (Linear* linear : model_.linears()) {
    if (linear->kind() != SeamKind::head) continue;
    linear->parameters([this](const std::string&, Tensor& value) { moving_.settle(value); });
  }
}

kernels::Update Trainer::next_step(double lr_factor) {
  const auto data = [](const Tensor& flat) {
    const bool floats = flat.defined() && flat.scalar_type() == at::kFloat;
    return floats ? flat.data_ptr<float>() : nullptr;  // see RangeUpdate
  };
  kernels::Update step;
  step.optimizer = options_.optimizer == "adamw"  ? kernels::Optimizer::adamw
                   : options_.optimizer == "adam" ? kernels::Optimizer::adam
                                                  : kernels::Optimizer::sgd;
  step.n = arena_.size();
  step.value = data(arena_.values());
  step.gradient = data(arena_.gradient());
  step.first = has_first_ ? first_.tensor().data_ptr<float>() : nullptr;
  step.second = has_second_ ? second_.tensor().data_ptr<float>() : nullptr;
  step.learning_rate = options_.lr * lr_factor;
  step.beta1 = options_.beta1;
  step.beta2 = options_.beta2;
  step.epsilon = options_.epsilon;
  step.weight_decay = options_.weight_decay;
  step.momentum = options_.momentum;
  step.step = ++bias_step_;
  step.summed = is_noted();
  return step;
}

RangeUpdate Trainer::mover() const {
  const auto step = static_cast<uint64_t>(step_);
  return {arena_, request_.device, moments_.get(),
          Random(seed_for(request_.seed, "rounding"), step).next()};
}

void Trainer::contribute(Update& update, const kernels::Update& step) {
  for (auto& strategy : strategies_) strategy->contribute(update);
  if (levers_.backward_update) moving_.begin(step, mover());
}

double Trainer::move_values(kernels::Update& step, double& norm) {
  if (levers_.backward_update) {
    const double penalty = moving_.finish();
    norm = std::sqrt(moving_.squared_norm());
    return penalty;
  }
  norm = -1;
  const RangeUpdate update = mover();
  if (options_.clip > 0 || step_ % options_.log_every == 0) {
    norm = std::sqrt(update.squared_norm(step));
    if (options_.clip > 0) step.gradient_scale = std::min(1.0, options_.clip / (norm + 1e-6));
  }
  return update.move(step);
}

double Trainer::passes(int64_t task, Sampler& sampler, Batch& batch, Tensor& logits) {
  double loss = 0;
  Timing& timing = clock_.phase("train");
  const double share = 1.0 / static_cast<double>(options_.accumulate);
  for (int64_t part = 0; part < options_.accumulate; ++part) {
    {
      const MemoryTag tag(Category::workspace);
      batch = sampler.next();
      if (options_.pack > 0) batch = packed(batch, options_.pack);
      see(batch);
      batch = batch.to(request_.device);
    }
    loss += share * forward_backward(task, batch, share, logits);
    timing.samples += batch.rows();
    timing.tokens += batch.tokens;
  }
  const double total = loss + extra_;
  if (std::isfinite(total)) return loss;
  fail(
      "the loss of task {} ('{}') is {} at step {}; lower the learning rate or the strengths, or "
      "set train.clip",
      task, stream_.tasks[static_cast<size_t>(task) - 1].name,
      std::isnan(total) ? std::abs(total) : total,  // a NaN may carry a sign, which says nothing
      task_step_ + 1);
}

void Trainer::one_step(int64_t task, Sampler& sampler, double lr_factor) {
  double norm = 0;
  extra_ = 0;
  Batch batch;
  Tensor logits;
  if (activations_) activations_->begin_step();
  kernels::Update step = next_step(lr_factor);
  Update update(arena_, step, [this](const Batch& other, Tensor out) {
    gradient_of(model_, arena_, other.to(request_.device), out);
  });
  if (levers_.backward_update) contribute(update, step);
  const double loss = passes(task, sampler, batch, logits);
  const bool reads = std::any_of(strategies_.begin(), strategies_.end(),
                                 [](const auto& strategy) { return strategy->reads_step(); });
  Tensor gradient, before;
  if (reads) {
    const MemoryTag tag(Category::method_state);
    gradient = arena_.gradient().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    before = arena_.values().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }
  if (!levers_.backward_update) contribute(update, step);
  const double moved = move_values(step, norm);
  const double own = moved + update.added_penalty(), penalty = extra_ + own;
  if (logits.defined()) logits = logits.detach();
  const StepEnd end{task,   step_,    batch,
                    logits, gradient, reads ? arena_.values() - before : Tensor(),
                    model_, arena_};
  for (auto& strategy : strategies_) strategy->after_step(end);
  note(task, loss, penalty, options_.lr * lr_factor, norm);
  watch(task, own);
  ++step_;
  tell(task, task_step_ + 1, task_steps_, loss);
}

bool Trainer::is_noted() const {
  return step_ % options_.log_every == 0 || task_step_ + 1 == task_steps_;
}

void Trainer::note(int64_t task, double loss, double penalty, double lr, double norm) {
  if (!std::isfinite(penalty)) {
    fail("the penalty of task {} is {} at step {}; lower the method's strength", task, penalty,
         task_step_ + 1);
  }
  if (!is_noted()) return;
  result_.curve.push_back({task, step_ + 1, loss, penalty, lr, norm});
}

void Trainer::tell(int64_t task, int64_t done, int64_t steps, double loss) {
  if (!request_.progress) return;
  const auto now = std::chrono::steady_clock::now();
  if (done < steps && now - told_ < std::chrono::milliseconds(100)) return;
  told_ = now;
  const Timing& timing = clock_.phase("train");
  const double gone = std::chrono::duration<double>(now - began_).count();
  const auto tasks = static_cast<int64_t>(stream_.tasks.size());
  Progress progress;
  progress.phase = done < steps ? "train" : "evaluate";
  progress.task = task;
  progress.tasks = tasks;
  progress.step = done;
  progress.steps = steps;
  progress.loss = loss;
  progress.tokens = timing.tokens > 0;
  progress.per_second =
      static_cast<double>(progress.tokens ? timing.tokens : timing.samples) / gone;
  const double share = steps == 0 ? 0
                                  : (static_cast<double>(task - 1) +
                                     static_cast<double>(done) / static_cast<double>(steps)) /
                                        static_cast<double>(tasks);
  progress.seconds_left = share > 0 ? gone * (1 - share) / share : -1;
  request_.progress(progress);
}

}  // namespace lethe
