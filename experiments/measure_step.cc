#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/formats/peft_targets.h"
#include "core/memory.h"
#include "core/models/model_facts.h"
#include "core/models/pretrained.h"
#include "core/seeds.h"
#include "core/train.h"
#include "core/update.h"
#include "experiments/base_format.h"
#include "experiments/child_process.h"
#include "experiments/device_probe.h"
#include "experiments/drawn_rows.h"
#include "experiments/measured_step.h"
#include "methods/methods.h"

namespace lethe {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
  fail("{} can be planned and not measured: {}; leave it out, or leave out --measure", what, why);
}

void check_runs(const StepRequest& step) {
  const plan::PlanRequest& request = step.request;
  plan::check(request);
  if (step.steps < 3) {
    fail("--steps is {}; expected at least 3, the first of which is not timed", step.steps);
  }
  if (request.mapped) refuse("--mapped", "drawn weights lie in no file");
  if (request.compute != "float32") {
    refuse("--compute " + request.compute, "training computes in float32");
  }
  const bool narrow = request.levers.narrow();
  if (request.dtype == "bf16" && !narrow) {
    refuse("--dtype bf16", "without the lever bf16 or bf16-stochastic dense weights are float32");
  }
  if ((request.adapter_dtype == "bf16") != narrow) {
    if (!narrow) refuse("--adapter-dtype bf16", "that takes the lever bf16 or bf16-stochastic");
  }
}

/// Name endings, or "all".
std::string targets_of(const HfConfig& config, const plan::PlanRequest& request) {
  if (request.targets != "peft") return request.targets;
  return fmt::format("{}", fmt::join(lora_targets(model_facts(config).model_type), ","));
}

/// The options of the method's strategies that a plan has.
OptionMap options_of(const std::vector<Part>& parts, const plan::PlanRequest& request,
                     const std::string& targets) {
  const std::map<std::string, std::string> planned = {
      {"rank", std::to_string(request.rank)},
      {"targets", targets},
      {"layers", std::to_string(request.layers)},
      {"tokens", std::to_string(request.virtual_tokens)},
      {"budget", std::to_string(request.budget)},
      {"batch", std::to_string(request.memory_rows)}};
  const std::map<std::string, std::vector<std::string>> takes = {
      {"lora", {"rank", "targets"}},    {"dora", {"rank", "targets"}},
      {"olora", {"rank", "targets"}},   {"inclora", {"rank", "targets"}},
      {"adalora", {"rank", "targets"}}, {"osf", {"targets"}},
      {"freeze", {"layers"}},           {"prompt", {"tokens"}},
      {"gem", {"budget", "batch"}},     {"derpp", {"budget", "batch"}}};
  OptionMap options;
  for (const Part& part : parts) {
    const auto taken = takes.find(part.name);
    if (taken == takes.end()) continue;
    for (const std::string& name : taken->second) {
      const std::string& value = planned.at(name);
      if (value != "0") options[part.name + "." + name] = value;
    }
  }
  return options;
}

MethodSpec spec_of(const HfConfig& config, const plan::PlanRequest& request) {
  const StrategyRegistry& known = builtin_methods();
  const MethodSpec bare = parse_method(known, request.method, {});
  return parse_method(known, request.method,
                      options_of(bare.parts, request, targets_of(config, request)));
}

BaseChoice base_of(const plan::PlanRequest& request, const MethodSpec& spec) {
  const auto asked = spec.model.find("base");
  const std::string usual = asked == spec.model.end() ? "float" : asked->second;
  return {request.base.empty() ? usual : request.base, request.block, request.skip};
}

/// Values for a parameter that is only a shape: on a GPU drawn there, on the host one drawn row
/// again and again, since gigabytes of draws take minutes.
void fill(Tensor& shape, const at::Device& device) {
  if (shape.is_contiguous()) return;
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const Tensor made = at::empty(shape.sizes(), options);
  if (device.is_cpu()) {
    made.copy_(at::empty({shape.size(-1)}, options).normal_(0, 0.02, make_generator(1)));
  } else {
    made.normal_(0, 0.02, make_generator(1, device));
  }
  shape.set_data(made);
}

/// Seam by seam, so that no more than one quantised weight is ever whole.
std::unique_ptr<Model> filled_model(const HfConfig& config, const BaseChoice& base,
                                    const plan::Levers& levers, const at::Device& device) {
  const MemoryTag tag(Category::base_weights);
  PretrainedMaking making;
  making.head = make_generator(1);
  auto model = pretrained_family(config).make(config, making);
  const std::vector<BaseSeam> seams = base_seams(*model);
  for (Seam* seam : model->seams()) {
    const auto block = std::find_if(seams.begin(), seams.end(),
                                    [&](const BaseSeam& one) { return one.seam == seam; });
    const bool stays = levers.offload_weights && block != seams.end();
    seam->parameters([&](const std::string&, Tensor& value) {
      fill(value, stays ? at::Device(at::kCPU) : device);
    });
    if (block == seams.end() || skips(base, seam->name())) continue;
    apply_base({*block}, {base.format, base.block});
  }
  return model;
}

TrainOptions training_of(const StepRequest& step) {
  const plan::PlanRequest& request = step.request;
  TrainOptions options;
  const bool momentum = request.optimizer == "sgd-momentum";
  options.optimizer = momentum ? "sgd" : request.optimizer;
  options.momentum = momentum ? 0.9 : 0;
  options.lr = 1e-5;
  options.accumulate = request.levers.accumulate;
  options.batch = request.batch / options.accumulate;
  options.steps = step.steps;
  options.eval_batch = 1;
  options.samples = 0;
  plan::Levers levers = request.levers;
  levers.accumulate = 1;  // an option of its own
  options.levers = plan::levers_text(levers);
  return options;
}

struct DrawnStream {
  TaskStream stream;
  std::shared_ptr<const DrawnRows> last;  // the training rows of the last task
};

/// As many rows as a step has, and as a method with a memory keeps.
int64_t rows_of(const plan::PlanRequest& request, const MethodSpec& spec) {
  int64_t rows = request.batch;
  for (const Part& part : spec.parts) {
    const auto budget = part.options.find("budget");
    if (budget != part.options.end()) rows = std::max<int64_t>(rows, std::stoll(budget->second));
  }
  return rows;
}

DrawnStream drawn_stream(const plan::ModelFacts& facts, const plan::PlanRequest& request,
                         int64_t rows) {
  DrawnStream drawn;
  drawn.stream.name = "drawn";
  if (facts.classifies) drawn.stream.classes = facts.classes();
  for (int64_t task = 1; task <= request.tasks; ++task) {
    const int64_t id = 1000000 * task;
    drawn.last = std::make_shared<DrawnRows>(facts, request, rows, id);
    const auto scored = std::make_shared<DrawnRows>(facts, request, 1, id + 500000);
    drawn.stream.tasks.push_back(
        {fmt::format("task{}", task), {"loss", "nats", false}, drawn.last, scored, scored, {}});
  }
  return drawn;
}

/// Of the steps but the first, each of `passes` batches.
double median_milliseconds(const DrawnRows::Times& asked, int64_t steps, int64_t passes) {
  std::vector<double> took;
  for (int64_t step = 1; step + 1 < steps; ++step) {
    const auto from = asked.at(static_cast<size_t>(step * passes));
    const auto until = asked.at(static_cast<size_t>((step + 1) * passes));
    took.push_back(std::chrono::duration<double, std::milli>(until - from).count());
  }
  std::sort(took.begin(), took.end());
  return took.at(took.size() / 2);
}

void take_usage(const TrialResult& result, const at::Device& device, MeasuredStep& measured) {
  std::map<std::string, int64_t> there, host;  // by phase
  std::map<std::string, std::pair<int64_t, int64_t>> held;
  for (const Usage& row : result.usage) {
    if (row.category == "CUDA reserved") measured.reserved = row.peak;
    if (row.category == "CUDA reserved" || row.category == "process peak RSS") continue;
    const bool on_host = row.device == "host";
    (on_host ? host : there)[row.phase] += row.at_peak;
    if (row.phase == "train" && row.at_peak > 0) {
      auto& [own, beside] = held[row.category];
      (on_host && !device.is_cpu() ? beside : own) += row.at_peak;
    }
  }
  for (const auto& [category, bytes] : held) {
    measured.held.push_back({category, bytes.first, bytes.second});
  }
  if (device.is_cpu()) std::swap(there, host);
  measured.peak = there["train"];
  measured.host = host["train"];
  for (const auto& [phase, bytes] : there) {
    if (phase == "load" || phase == "importance")
      measured.before = std::max(measured.before, bytes);
  }
}

MeasuredStep measured_here(const StepRequest& step) {
  if (step.device == "cpu") hide_gpus();
  at::set_num_threads(1);
  install_memory_meter();
  const HfConfig config = HfConfig::parse(step.config, step.place);
  const MethodSpec spec = spec_of(config, step.request);
  const at::Device device = open_device(step.device);
  MeasuredStep measured;
  measured.device = device_class(device);
  reset_phases();
  begin_phase("load");
  const auto model = filled_model(config, base_of(step.request, spec), step.request.levers, device);
  DrawnStream drawn = drawn_stream(model_facts(config), step.request, rows_of(step.request, spec));
  Method method = make_method(builtin_methods(), spec.parts);
  TrainRequest request{*model, drawn.stream, method, training_of(step), 1, device};
  request.digest = false;
  const TrialResult result = train(request);
  take_usage(result, device, measured);
  measured.milliseconds =
      median_milliseconds(drawn.last->asked(), step.steps, step.request.levers.accumulate);
  return measured;
}

std::string as_json(const MeasuredStep& measured) {
  nlohmann::json json = {
      {"device", measured.device},       {"peak", measured.peak},
      {"host", measured.host},           {"before", measured.before},
      {"reserved", measured.reserved},   {"milliseconds", measured.milliseconds},
      {"held", nlohmann::json::array()}, {"out_of_memory", measured.out_of_memory}};
  for (const MeasuredStep::Held& one : measured.held) {
    json["held"].push_back({one.category, one.device, one.host});
  }
  return json.dump();
}

MeasuredStep from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  MeasuredStep measured{.device = json["device"],
                        .peak = json["peak"],
                        .host = json["host"],
                        .before = json["before"],
                        .reserved = json["reserved"],
                        .milliseconds = json["milliseconds"]};
  for (const auto& one : json["held"]) measured.held.push_back({one[0], one[1], one[2]});
  measured.out_of_memory = json["out_of_memory"];
  return measured;
}

std::string measured_text(const StepRequest& step) {
  try {
    return as_json(measured_here(step));
  } catch (const c10::OutOfMemoryError&) {
    MeasuredStep full;
    full.device = step.device;
    full.out_of_memory = true;
    return as_json(full);
  } catch (const c10::Error& error) {
    throw Error(std::string("libtorch: ") + error.what_without_backtrace());
  }
}

}  // namespace

MeasuredStep measure_step(const StepRequest& request) {
  check_runs(request);
  const ChildEnd end = in_child([&] { return measured_text(request); });
  if (end.how == ChildEnd::How::threw) throw Error(end.text);
  if (end.how == ChildEnd::How::died) {
    fail("the process that ran the step of {} died; it may have been out of memory", request.place);
  }
  return from_json(end.text);
}

}  // namespace lethe
