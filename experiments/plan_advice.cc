#include "experiments/plan_advice.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/levers.h"
#include "core/train.h"
#include "experiments/plan.h"

namespace lethe {
namespace {

constexpr size_t kPartsShown = 3;

/// "optimizer states 12.0, gradients 6.0, activations 5.1", the largest first.
std::string largest_parts(const plan::PartBytes& bytes) {
  std::vector<plan::Part> parts;
  for (size_t i = 0; i < plan::kParts; ++i) parts.push_back(static_cast<plan::Part>(i));
  std::stable_sort(parts.begin(), parts.end(),
                   [&](plan::Part a, plan::Part b) { return bytes[a] > bytes[b]; });
  std::vector<std::string> words;
  for (size_t i = 0; i < kPartsShown && bytes[parts[i]] > 0; ++i) {
    words.push_back(fmt::format("{} {}", plan::part_name(parts[i]), mib(bytes[parts[i]])));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

/// train.levers has no accumulate, which is an option by itself.
plan::Levers without_accumulate(plan::Levers levers) {
  levers.accumulate = 1;
  return levers;
}

std::string batch_text(const plan::PlanRequest& request) {
  const int64_t passes = request.levers.accumulate;
  std::string text = fmt::format("{} rows of {} tokens", request.batch / passes, request.length);
  if (request.target_length > 0) text += fmt::format(", {} of the target", request.target_length);
  if (request.predicted > 0) text += fmt::format(", {} predicted", request.predicted);
  if (passes > 1) text += fmt::format(", {} passes a step", passes);
  return fmt::format("{}; {}, levers {}", text, request.optimizer,
                     plan::levers_text(without_accumulate(request.levers)));
}

/// "train.levers = "adamw8bit"", "train.accumulate = 2, train.batch = 4".
std::string remedy_text(const plan::PlanRequest& request, const plan::Remedy& remedy) {
  plan::Levers levers = request.levers;
  for (const std::string& name : remedy.levers) levers = plan::with_lever(levers, name);
  std::vector<std::string> words;
  const std::string named = plan::levers_text(without_accumulate(levers));
  if (named != plan::levers_text(without_accumulate(request.levers))) {
    words.push_back(fmt::format("train.levers = \"{}\"", named));
  }
  if (levers.accumulate != request.levers.accumulate) {
    words.push_back(fmt::format("train.accumulate = {}, train.batch = {}", levers.accumulate,
                                request.batch / levers.accumulate));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

/// A decoder does not read the last token of a row.
int64_t row_tokens(const PlannedTrial& planned, int64_t length) {
  return planned.trial->stream.rows.form == RowForm::text ? length + 1 : length;
}

}  // namespace

std::string name_of(const Trial& trial) {
  return fmt::format("method '{}' on stream '{}' with model '{}'", trial.label, trial.stream_label,
                     trial.model_label);
}

plan::LeverRule training_levers(const PlannedTrial& planned, const StrategyRegistry& registry,
                                bool gpu) {
  const auto options = parse_options<TrainOptions>("train", planned.trial->spec.training);
  const auto method =
      std::make_shared<const Method>(make_method(registry, planned.trial->spec.method));
  return [options, method, gpu, classifies = planned.facts.classifies](const plan::Levers& levers) {
    if (levers.chunk > 0 && classifies) return false;
    TrainOptions more = options;
    more.accumulate = levers.accumulate;
    more.levers = plan::levers_text(without_accumulate(levers));
    try {
      const plan::Levers trained = levers_of(more);
      check_levers(trained, *method);
      check_levers_on(trained, /*cpu=*/!gpu);
    } catch (const Error&) {
      return false;
    }
    return true;
  };
}

std::string advice_text(const PlannedTrial& planned, const MemoryLimit& limit,
                        const StrategyRegistry& registry) {
  plan::PlanRequest request = planned.request;
  request.mapped = request.mapped && limit.machine;
  const plan::Plan plan = plan::make_plan(planned.facts, request, limit.bytes,
                                          training_levers(planned, registry, limit.gpu));
  std::string text = fmt::format(
      "{}: predicted peak {} MiB{} ({}), but {} {} MiB; most of it {}\n  its largest batch: {}",
      name_of(*planned.trial), mib(plan.account.peak()),
      request.mapped ? " beside mapped weights" : "", plan.account.moment,
      limit.gpu       ? "the GPU has"
      : limit.machine ? "the machine has"
                      : "--memory is",
      mib(limit.bytes), largest_parts(plan.account.device), batch_text(request));
  for (const plan::Remedy& remedy : plan.remedies) {
    text += fmt::format("\n  would fit with {}: peak {} MiB", remedy_text(request, remedy),
                        mib(remedy.peak));
  }
  if (plan.remedies.empty()) {
    text +=
        fmt::format("\n  no levers of training make it fit; with all of them the peak is {} MiB",
                    mib(plan.least_peak));
  }
  if (plan.longest > 0) {
    text += fmt::format("\n  would fit with rows of at most {} tokens (max_length, window)",
                        row_tokens(planned, plan.longest));
  }
  if (plan.largest_batch > 0) {
    text += fmt::format("\n  would fit with train.batch = {}",
                        plan.largest_batch / request.levers.accumulate);
  }
  return text;
}

}  // namespace lethe
