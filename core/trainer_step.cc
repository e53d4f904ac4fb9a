// One optimizer step: forward, loss, backward, contributions, the fused update.
#include <algorithm>
#include <cmath>

#include "core/dense_product.h"
#include "core/error.h"
#include "core/loss.h"
#include "core/pack.h"
#include "core/trainer.h"
#include "core/update.h"

namespace lethe {

double Trainer::forward_backward(int64_t task, const Batch& batch, double share, Tensor& logits) {
  const MemoryTag tag(Category::activations);
  logits = model_.forward(batch);
  Tensor loss = task_loss(logits, batch);
  const double value = loss.item<double>();
  const Step step{task, step_, stream_, batch, logits, model_, arena_};
  for (auto& strategy : strategies_) {
    const Tensor extra = strategy->extra_loss(step);
    if (!extra.defined()) continue;
    extra_ += share * extra.item<double>();
    loss = loss + extra;
  }
  if (share != 1) loss = loss * share;
  const AddingGradients adding;
  torch::autograd::backward({loss}, {});
  return value;
}

double Trainer::move_values(double lr_factor, double& norm) {
  kernels::Update step;
  step.optimizer = options_.optimizer == "adamw"  ? kernels::Optimizer::adamw
                   : options_.optimizer == "adam" ? kernels::Optimizer::adam
                                                  : kernels::Optimizer::sgd;
  step.n = arena_.size();
  step.value = arena_.values().data_ptr<float>();
  step.gradient = arena_.gradient().data_ptr<float>();
  step.first = has_first_ ? first_.tensor().data_ptr<float>() : nullptr;
  step.second = has_second_ ? second_.tensor().data_ptr<float>() : nullptr;
  step.learning_rate = options_.lr * lr_factor;
  step.beta1 = options_.beta1;
  step.beta2 = options_.beta2;
  step.epsilon = options_.epsilon;
  step.weight_decay = options_.weight_decay;
  step.momentum = options_.momentum;
  step.step = ++bias_step_;
  Update update(arena_, step, [this](const Batch& other, Tensor out) {
    gradient_of(model_, arena_, other.to(request_.device), out);
  });
  for (auto& strategy : strategies_) strategy->contribute(update);
  norm = -1;
  if (options_.clip > 0 || step_ % options_.log_every == 0) {
    norm = std::sqrt(squared_norm_on(request_.device, step));
    if (options_.clip > 0) step.gradient_scale = std::min(1.0, options_.clip / (norm + 1e-6));
  }
  return update_on(request_.device, step) + update.added_penalty();
}

void Trainer::one_step(int64_t task, Sampler& sampler, double lr_factor) {
  double loss = 0, norm = 0;
  extra_ = 0;
  Batch batch;
  Tensor logits;
  Timing& timing = clock_.phase("train");
  const double share = 1.0 / static_cast<double>(options_.accumulate);
  for (int64_t part = 0; part < options_.accumulate; ++part) {
    {
      const MemoryTag tag(Category::workspace);
      batch = sampler.next();
      if (options_.pack > 0) batch = packed(batch, options_.pack);
      batch = batch.to(request_.device);
    }
    loss += share * forward_backward(task, batch, share, logits);
    timing.samples += batch.rows();
    timing.tokens += batch.tokens;
  }
  const double total = loss + extra_;
  if (!std::isfinite(total)) {
    fail(
        "the loss of task {} ('{}') is {} at step {}; lower the learning rate or the strengths, or "
        "set train.clip",
        task, stream_.tasks[static_cast<size_t>(task) - 1].name,
        std::isnan(total) ? std::abs(total) : total,  // a NaN may carry a sign, which says nothing
        task_step_ + 1);
  }
  const bool reads = std::any_of(strategies_.begin(), strategies_.end(),
                                 [](const auto& strategy) { return strategy->reads_step(); });
  Tensor gradient, before;
  if (reads) {
    const MemoryTag tag(Category::method_state);
    gradient = arena_.gradient().clone();
    before = arena_.values().clone();
  }
  const double penalty = extra_ + move_values(lr_factor, norm);
  const StepEnd end{
      task,   step_, batch, logits.detach(), gradient, reads ? arena_.values() - before : Tensor(),
      model_, arena_};
  for (auto& strategy : strategies_) strategy->after_step(end);
  note(task, loss, penalty, options_.lr * lr_factor, norm);
  ++step_;
  tell(task, task_step_ + 1, task_steps_, loss);
}

void Trainer::note(int64_t task, double loss, double penalty, double lr, double norm) {
  if (!std::isfinite(penalty)) {
    fail("the penalty of task {} is {} at step {}; lower the method's strength", task, penalty,
         task_step_ + 1);
  }
  if (step_ % options_.log_every != 0 && task_step_ + 1 != task_steps_) return;
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
