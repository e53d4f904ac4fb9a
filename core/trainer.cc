#include "core/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/bf16_values.h"
#include "core/error.h"
#include "core/kernels/subnormals.h"
#include "core/levers.h"
#include "core/loss.h"
#include "core/offload.h"
#include "core/schedule.h"
#include "core/seeds.h"

namespace lethe {
namespace {

/// What is trained has to be in float.
void check_formats(Model& model) {
  for (Linear* seam : model.linears()) {
    const std::string format = seam->base().format();
    if (format == "float" || !seam->trains_weight()) continue;
    fail(
        "the method trains the weight of '{}', whose base is {}; set the model's base = float, or "
        "choose a method that leaves the base as it is, such as lora",
        seam->name(), format);
  }
}

}  // namespace

Interrupted::~Interrupted() = default;

Trainer::Trainer(const TrainRequest& request)
    : request_(request),
      options_(request.options),
      model_(request.model),
      stream_(request.stream),
      strategies_(request.method.strategies),
      levers_(levers_of(request.options)),
      saved_(std::chrono::steady_clock::now()),
      clock_(result_, request.device),
      began_(std::chrono::steady_clock::now()) {}

TrialResult Trainer::run() {
  const kernels::FlushSubnormals flush;
  check_levers_on(levers_, request_.device.is_cpu());
  clock_.time("load", [&] { prepare(); });
  const auto tasks = static_cast<int64_t>(stream_.tasks.size());
  int64_t done = 0;
  clock_.time("importance", [&] { done = restore(); });
  if (done == 0 && !within_) clock_.time("evaluate", [&] { measure(0); });
  for (int64_t task = done + 1; task <= tasks; ++task) {
    learn(task);
    clock_.time("importance", [&] { close(task); });
    clock_.time("evaluate", [&] { measure(task); });
    save(task);
    if (task == request_.last_task && task < tasks) throw Interrupted();
  }
  result_.usage = usage_by_phase();
  if (request_.digest) result_.weights_digest = arena_.digest();
  if (largest_.rows > 0) result_.notes.push_back(trained_with());
  if (held_nothing()) result_.notes.push_back(held_nothing_note());
  result_.trainable_parameters = arena_.parameter_count();
  result_.total_parameters = model_.count(false);
  if (request_.keep) request_.keep(trained_);
  return result_;
}

void Trainer::check() {
  prepare();
  adapt(1);
  for (int64_t task = 1; task <= static_cast<int64_t>(stream_.tasks.size()); ++task) {
    const TrainingPlan plan = planned(task);
    const Sampler sampler(plan, options_.batch, seed_for(request_.seed, "order"));
  }
}

TrainingPlan Trainer::planned(int64_t task) {
  TrainingPlan plan;
  plan.parts.push_back({stream_.tasks[static_cast<size_t>(task) - 1].train});
  for (auto& strategy : strategies_) strategy->training_plan(stream_, task, plan);
  return plan;
}

void Trainer::prepare() {
  if (options_.pack > 0 && !model_.takes_packed()) {
    fail("train.pack = {}, but this model can't keep packed rows apart; set it to 0",
         options_.pack);
  }
  check_levers(levers_, model_, request_.method);
  arena_.store_as(value_store(levers_));
  model_.checkpoint_blocks(levers_.checkpoint);
  check_masks(stream_);
  for (const Task& task : stream_.tasks) result_.task_names.push_back(task.name);
  if (levers_.offload_weights) offload_blocks(model_, request_.device);
  {
    const MemoryTag tag(Category::base_weights);
    move_to(model_, request_.device);
  }
  Setup setup{model_, arena_, stream_, make_generator(seed_for(request_.seed, "strategy")),
              teacher_opener()};
  for (auto& strategy : strategies_) strategy->prepare(setup);
  narrow();
  check_formats(model_);
  for (const auto& strategy : strategies_) {
    if (auto form = strategy->penalty_form(stream_)) result_.penalties.push_back(std::move(*form));
  }
}

/// Without masters trained values are rounded before they are laid out, as that would: float32 and
/// bfloat16 ones are not there whole at once.
void Trainer::narrow() {
  if (arena_.store() == ValueStore::float32) return;
  narrow_values(model_, arena_.store() == ValueStore::bf16);
}

std::function<std::shared_ptr<Model>(const TeacherRequest&)> Trainer::teacher_opener() {
  if (!request_.open_teacher) return {};
  return [this](const TeacherRequest& wanted) {
    std::shared_ptr<Model> teacher;
    clock_.time("teacher", [&] { teacher = request_.open_teacher(wanted); });
    return teacher;
  };
}

void Trainer::adapt(int64_t task) {
  Setup setup{model_, arena_, stream_,
              make_generator(seed_for(request_.seed, "strategy") + static_cast<uint64_t>(task)),
              teacher_opener()};
  for (auto& strategy : strategies_) strategy->adapt(setup, task);
  if (levers_.offload_weights) take_back_trained(model_, request_.method.names);
  {
    const MemoryTag tag(Category::adapters);
    move_to(model_, request_.device);
  }
  if (arena_.lay_out(model_, !levers_.backward_update) && levers_.backward_update) {
    moving_.attach(arena_);
  }
  narrow();
  if (levers_.offload_activations) {
    if (!activations_) activations_ = std::make_unique<OffloadedActivations>(request_.device);
    activations_->leave(model_);
  }
  for (const ArenaRange& range : arena_.ranges()) trained_.insert(range.name);
  if (arena_.size() == 0) {
    fail("nothing is trained in task {}: every parameter is frozen; name at least one target",
         task);
  }
}

void Trainer::open_moments() {
  if (options_.reset_optimizer) bias_step_ = 0;
  if (!moments_) moments_ = moments_apart(levers_, options_, request_.device);
  if (moments_) return moments_->lay_out(arena_, options_.reset_optimizer);
  has_first_ = options_.optimizer != "sgd" || options_.momentum > 0;
  has_second_ = options_.optimizer != "sgd";
  if (has_first_) first_ = arena_.twin("optimizer.first", Category::optimizer);
  if (has_second_) second_ = arena_.twin("optimizer.second", Category::optimizer);
  if (!options_.reset_optimizer) return;
  if (has_first_) first_.tensor().zero_();
  if (has_second_) second_.tensor().zero_();
}

void Trainer::learn(int64_t task) {
  clock_.time("importance", [&] { adapt(task); });
  const TrainingPlan plan = planned(task);
  model_.set_generator(make_generator(
      seed_for(request_.seed, "dropout") + static_cast<uint64_t>(task), request_.device));
  Sampler sampler(plan, options_.batch,
                  seed_for(request_.seed, "order") + static_cast<uint64_t>(task),
                  options_.sort == "length");
  task_steps_ =
      options_.epochs > 0 ? options_.epochs * sampler.batches_per_epoch() : options_.steps;
  clock_.time("importance", [&] {
    open_moments();
    const TaskBegin begin{task, stream_, plan, model_, arena_, options_.batch, task_steps_};
    for (auto& strategy : strategies_) strategy->before_task(begin);
  });
  task_step_ = 0;
  best_ = std::numeric_limits<double>::infinity();
  waited_ = 0;
  if (within_) clock_.time("importance", [&] { restore_within(task, sampler); });
  clock_.time("train", [&] { train_steps(task, plan, sampler); });
}

void Trainer::train_steps(int64_t task, const TrainingPlan& plan, Sampler& sampler) {
  const bool epochs = options_.epochs > 0;
  const int64_t per_epoch = sampler.batches_per_epoch();
  model_.train(true);
  while (task_step_ < task_steps_) {
    if (request_.stop != nullptr && request_.stop->load()) {
      save_within(task, sampler);
      throw Interrupted();
    }
    one_step(task, sampler,
             schedule_factor(options_.schedule, options_.warmup, task_step_, task_steps_));
    const bool last = task_step_ + 1 == task_steps_;
    if (options_.eval_every > 0 && (task_step_ + 1) % options_.eval_every == 0 && !last) {
      clock_.time("evaluate", [&] { measure_within(task); });
    }
    const bool epoch_ends = epochs && (task_step_ + 1) % per_epoch == 0;
    if (epoch_ends && options_.patience > 0 && !improving(plan)) break;
    ++task_step_;
    if (!last && due_within(task)) save_within(task, sampler);
    if (step_ == request_.last_step && !last) throw Interrupted();
  }
  model_.train(false);
}

bool Trainer::improving(const TrainingPlan& plan) {
  const at::NoGradGuard no_grad;
  model_.train(false);
  double sum = 0;
  int64_t positions = 0;
  for (const Task& task : stream_.tasks) {
    bool trained = false;
    for (const auto& part : plan.parts) trained = trained || part.rows == task.train;
    if (!trained) continue;
    for (const auto& rows : in_batches(task.validation->size(), options_.eval_batch)) {
      const Batch batch = task.validation->batch(rows).to(request_.device);
      sum += summed_loss(model_.forward(batch), batch);
      positions += batch.targets.numel();
    }
  }
  model_.train(true);
  const double loss = sum / static_cast<double>(positions);
  waited_ = loss < best_ ? 0 : waited_ + 1;
  best_ = std::min(best_, loss);
  return waited_ < options_.patience;
}

void Trainer::close(int64_t task) {
  // Of text no more rows at once than a step has, whose activations fit.
  const int64_t rows =
      stream_.classes > 0 ? options_.eval_batch : std::min(options_.eval_batch, options_.batch);
  const TaskEnd end{
      task,
      stream_,
      *stream_.tasks[static_cast<size_t>(task) - 1].train,
      model_,
      arena_,
      make_generator(seed_for(request_.seed, "task end") + static_cast<uint64_t>(task)),
      rows};
  for (auto& strategy : strategies_) strategy->after_task(end);
}

void Trainer::measure(int64_t after_task) {
  const auto scores = evaluate(model_, stream_, after_task, step_, options_);
  result_.evaluations.insert(result_.evaluations.end(), scores.begin(), scores.end());
  for (const Evaluation& score : scores) clock_.phase("evaluate").samples += score.total;
  keep_samples(after_task);
  tell(after_task, task_steps_, task_steps_, result_.curve.empty() ? 0 : result_.curve.back().loss);
}

void Trainer::measure_within(int64_t task) {
  auto scores = evaluate(model_, stream_, task, step_, options_);
  for (Evaluation& score : scores) {
    score.within_task = true;
    clock_.phase("evaluate").samples += score.total;
  }
  result_.evaluations.insert(result_.evaluations.end(), scores.begin(), scores.end());
}

void Trainer::keep_samples(int64_t after_task) {
  const MemoryTag tag(Category::activations);
  for (size_t t = 0; t < stream_.tasks.size(); ++t) {
    const Rows& rows = scored_rows(stream_.tasks[t], options_);
    const auto* text = dynamic_cast<const TextSource*>(&rows);
    if (text == nullptr) continue;
    std::vector<std::vector<int64_t>> prompts;
    const int64_t kept = std::min(options_.samples, rows.size());
    for (int64_t row = 0; row < kept; ++row) prompts.push_back(text->prompt_ids(row));
    if (std::any_of(prompts.begin(), prompts.end(), [](const auto& p) { return p.empty(); })) {
      continue;  // nothing to go on from
    }
    const auto made = model_.generate(prompts, text->longest_response(), text->end_id());
    for (int64_t row = 0; row < kept; ++row) {
      result_.samples.push_back({after_task, static_cast<int64_t>(t) + 1, row, text->prompt(row),
                                 text->expected(row),
                                 text->decode(made[static_cast<size_t>(row)])});
    }
  }
}

TrialResult train(const TrainRequest& request) { return Trainer(request).run(); }

void check_trial(const TrainRequest& request) { Trainer(request).check(); }

}  // namespace lethe
