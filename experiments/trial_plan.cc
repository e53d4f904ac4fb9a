#include "experiments/trial_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/formats/checkpoint.h"
#include "core/levers.h"
#include "core/plan/method.h"
#include "core/recorded_logits.h"
#include "core/train.h"
#include "experiments/base_format.h"

namespace lethe {
namespace {

constexpr int64_t kReadAtOnce = 256;  // rows

/// What rows take, as batches show it.
struct Measure {
  int64_t length = 0, target_length = 0;
  bool padded = false;
  std::vector<int64_t> predicted;  // positions by row

  void read(const Rows& rows) {
    for (const auto& indices : in_batches(rows.size(), kReadAtOnce)) add(rows.batch(indices));
  }

  void add(const Batch& batch) {
    const int64_t longest = batch.inputs.size(1);
    padded = padded || batch.mask.defined() || (length > 0 && longest != length);
    length = std::max(length, longest);
    if (batch.decoder_inputs.defined()) {
      target_length = std::max(target_length, batch.decoder_inputs.size(1));
    }
    std::vector<int64_t> own(static_cast<size_t>(batch.rows()), 0);  // of classes no position
    if (batch.row_of.defined()) own = positions_by_row(batch);
    predicted.insert(predicted.end(), own.begin(), own.end());
  }

  LargestBatch largest(int64_t batch) const {
    std::vector<int64_t> most = predicted;
    const int64_t rows = std::min(batch, static_cast<int64_t>(most.size()));
    std::partial_sort(most.begin(), most.begin() + rows, most.end(), std::greater<>());
    const int64_t positions = std::accumulate(most.begin(), most.begin() + rows, int64_t{0});
    // At least 1 where tokens are predicted: 0 would mean all of them.
    const int64_t each = positions == 0 ? 0 : std::max<int64_t>(1, positions / rows);
    return {rows, length, target_length, each, padded && rows > 1};
  }
};

bool is(const Part& part, const char* option, const char* value) {
  return part.options.at(option) == value;
}

bool has_memory(const std::string& name) { return name == "gem" || name == "derpp"; }

/// Sets what the strategy's options say. False where they train less than a plan counts.
bool take_options(const Part& part, plan::PlanRequest& request) {
  static const std::vector<std::string> low_rank = {"lora", "dora", "olora", "inclora", "adalora"};
  if (std::find(low_rank.begin(), low_rank.end(), part.name) != low_rank.end()) {
    request.rank = std::stoll(part.options.at("rank"));
    request.targets = part.options.at("targets");
    return true;
  }
  if (part.name == "freeze") {
    request.layers = std::stoll(part.options.at("layers"));
    return request.layers > 0;
  }
  if (part.name == "prompt") request.virtual_tokens = std::stoll(part.options.at("tokens"));
  if (part.name == "osf") {
    request.targets = part.options.at("targets");
    return std::stod(part.options.at("preserved")) == 0.5;  // the share that a plan knows
  }
  if (has_memory(part.name)) {
    request.budget = std::stoll(part.options.at("budget"));
    request.memory_rows = std::stoll(part.options.at("batch"));
    return request.budget > 0;
  }
  if (part.name == "ia3") return is(part, "targets", "auto") && is(part, "feedforward", "auto");
  if (part.name == "bitfit" || part.name == "norm-tuning") return is(part, "targets", "all");
  return true;
}

/// Whether the folder's weights stay in their file where they are not trained.
bool stays_mapped(const Part& model) {
  if (model.options.at("init") == "random") return false;
  const Checkpoint checkpoint(model.options.at("path"));
  const auto& tensors = checkpoint.tensors();
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const auto& tensor) { return tensor.second.dtype == "F32"; });
}

/// The names of the trial's strategies; empty where one has no plan or comes from a plugin.
std::vector<std::string> planned_names(const Trial& trial) {
  const std::vector<std::string> known = plan::planned_methods();
  std::vector<std::string> names;
  for (const Part& part : trial.spec.method) {
    const bool found = std::find(known.begin(), known.end(), part.name) != known.end();
    if (!found || !part.plugin.empty()) return {};
    const bool der = part.name == "derpp" && is(part, "beta", "0");
    names.push_back(der ? "der" : part.name);
  }
  if (names.empty()) names.emplace_back("finetune");
  return names;
}

}  // namespace

std::vector<LargestBatch> largest_batches(const TaskStream& stream, int64_t batch, bool mixed) {
  std::vector<LargestBatch> batches;
  Measure all;
  for (const Task& task : stream.tasks) {
    Measure own;
    (mixed ? all : own).read(*task.train);
    if (!mixed) batches.push_back(own.largest(batch));
  }
  if (mixed) batches.push_back(all.largest(batch));
  return batches;
}

bool mixes_tasks(const Trial& trial) {
  const auto& parts = trial.spec.method;
  return std::any_of(parts.begin(), parts.end(),
                     [](const Part& part) { return part.name == "multitask"; });
}

std::optional<plan::PlanRequest> plan_request(const Trial& trial) {
  const std::vector<std::string> names = planned_names(trial);
  if (trial.model.name != "pretrained" || names.empty()) return std::nullopt;
  const auto training = parse_options<TrainOptions>("train", trial.spec.training);
  plan::PlanRequest request;
  request.method = fmt::format("{}", fmt::join(names, "+"));
  for (const Part& part : trial.spec.method) {
    if (!take_options(part, request)) return std::nullopt;
  }
  const BaseChoice base = base_choice(trial.model.options);
  request.base = base.format;
  request.block = base.block;
  request.skip = base.skip;
  if (training.pack > 0) return std::nullopt;
  request.levers = levers_of(training);
  request.levers.accumulate = training.accumulate;
  request.batch = training.batch * training.accumulate;
  const bool momentum = training.optimizer == "sgd" && training.momentum > 0;
  request.optimizer = momentum ? "sgd-momentum" : training.optimizer;
  request.mapped = !request.levers.narrow() && stays_mapped(trial.model);
  return request;
}

void take_stream(const TaskStream& stream, plan::PlanRequest& request) {
  int64_t all = 0, most = 0;
  for (const Task& task : stream.tasks) {
    all += task.train->size();
    most = std::max(most, task.train->size());
  }
  request.tasks = static_cast<int64_t>(stream.tasks.size());
  if (request.budget == 0) return;
  request.budget =
      std::min(request.budget, request.method.find("gem") != std::string::npos ? most : all);
}

plan::PlanRequest with_batch(plan::PlanRequest request, const LargestBatch& batch) {
  request.batch = batch.rows * request.levers.accumulate;
  request.length = batch.length;
  request.target_length = batch.target_length;
  request.predicted = batch.predicted;
  request.padded = batch.padded;
  return request;
}

}  // namespace lethe
