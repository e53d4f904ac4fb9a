// A sweep whose plans do not fit is refused with their figures, before a model is loaded.
#include "tests/catch.h"
// After Catch.
#include "core/plan/method.h"
#include "experiments/memory_check.h"
#include "experiments/plan.h"
#include "experiments/plan_advice.h"
#include "experiments/preflight.h"
#include "experiments/trial_plan.h"
#include "tests/fit_case.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

constexpr int64_t kPlenty = int64_t{1} << 50;

/// What the check says of trials; `memory` 0 = no --memory.
std::string check_says(const std::vector<Trial>& trials, int64_t memory, int64_t machine = kPlenty,
                       int jobs = 1) {
  WorkSettings settings;
  settings.memory = memory;
  settings.jobs = jobs;
  settings.registry = &builtin_methods();
  try {
    preflight({{}, trials, settings, machine});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The request that a user would make by hand for FitCase's rows.
plan::PlanRequest request_by_hand(const std::string& method) {
  plan::PlanRequest request;
  request.method = method;
  request.batch = 4;
  request.length = 16;
  request.predicted = 16;
  return request;
}

std::string peak_in_mib(const plan::ModelFacts& facts, const plan::PlanRequest& request) {
  return mib(plan::account(facts, request).peak());
}

}  // namespace

TEST_CASE("the error has the plan's figures, the limit, and what would fit") {
  const FitCase folder;
  const plan::ModelFacts facts = folder.facts();
  const plan::PlanRequest request = request_by_hand("finetune");
  const plan::Account account = plan::account(facts, request);
  const int64_t limit = account.peak() * 9 / 10;
  const std::string said = check_says(folder.trials("finetune"), limit);
  CHECK_THAT(said, Catch::StartsWith(
                       "by their memory plans trials of this sweep do not fit; nothing was loaded "
                       "or stored, and --no-plan runs them all the same:\nmethod 'finetune' on "
                       "stream 'text' with model 'pretrained init=random "));
  CHECK_THAT(said,
             Contains(": predicted peak " + mib(account.peak()) + " MiB (" + account.moment +
                      "), but --memory is " + mib(limit) + " MiB; most of it optimizer states " +
                      mib(account.device[plan::Part::optimizer]) + ", "));
  CHECK_THAT(said, Contains("\n  its largest batch: 4 rows of 16 tokens, 16 predicted; adamw, "
                            "levers none\n"));
  for (const std::string lever : {"optimizer-in-backward", "adamw8bit"}) {
    plan::PlanRequest more = request;
    more.levers = plan::parse_levers(lever);
    REQUIRE(plan::account(facts, more).peak() <= limit);
    CHECK_THAT(said, Contains("\n  would fit with train.levers = \"" + lever + "\": peak " +
                              peak_in_mib(facts, more) + " MiB\n"));
  }
  CHECK(said.find("optimizer-in-backward") < said.find("adamw8bit"));
  CHECK_THAT(said, !Contains("offload"));  // for a GPU
  const plan::Plan plan = plan::make_plan(facts, request, limit);
  if (plan.longest > 0) {
    CHECK_THAT(said, Contains("rows of at most " + std::to_string(plan.longest + 1) + " tokens"));
  }
  if (plan.largest_batch > 0) {
    CHECK_THAT(said, Contains("train.batch = " + std::to_string(plan.largest_batch)));
  }
}

TEST_CASE("rows and batches that would fit are given in a sweep's words") {
  const FitCase folder;
  const plan::PlanRequest request = request_by_hand("lora");
  const int64_t limit = plan::account(folder.facts(), request).peak() * 85 / 100;
  const plan::Plan plan = plan::make_plan(folder.facts(), request, limit);
  REQUIRE(plan.longest > 0);
  REQUIRE(plan.largest_batch > 0);
  const std::string said = check_says(folder.trials("lora"), limit);
  CHECK_THAT(said, Contains("\n  would fit with rows of at most " +
                            std::to_string(plan.longest + 1) + " tokens (max_length, window)\n"));
  CHECK_THAT(said, Catch::EndsWith("\n  would fit with train.batch = " +
                                   std::to_string(plan.largest_batch)));
  plan::PlanRequest halves = request;
  halves.levers = plan::parse_levers("accumulate=2");
  REQUIRE(plan::account(folder.facts(), halves).peak() <= limit);
  CHECK_THAT(said, Contains("would fit with train.accumulate = 2, train.batch = 2: peak " +
                            peak_in_mib(folder.facts(), halves) + " MiB"));
  const std::string twice = check_says(folder.trials("lora", "train.accumulate = 2\n"), limit);
  CHECK_THAT(twice, Contains("4 rows of 16 tokens, 16 predicted, 2 passes a step; adamw") &&
                        !Contains("train.accumulate"));
  CHECK_THAT(twice, Catch::EndsWith("train.batch = " + std::to_string(plan.largest_batch)));
}

TEST_CASE("a plan within 6 % above the limit is let through, and none far above it") {
  const FitCase folder;
  const auto trials = folder.trials("finetune");
  const auto peak =
      static_cast<double>(plan::account(folder.facts(), request_by_hand("finetune")).peak());
  for (const double share : {1.0, 1 / 1.05}) {
    CHECK(check_says(trials, static_cast<int64_t>(peak * share)) == "");
    CHECK(check_says(trials, 0, static_cast<int64_t>(peak * share)) == "");
  }
  CHECK_THAT(check_says(trials, static_cast<int64_t>(peak / 1.07)), Contains("but --memory is "));
  CHECK_THAT(check_says(trials, 0, static_cast<int64_t>(peak / 1.07)),
             Contains("but the machine has "));
  CHECK_THAT(check_says(trials, kPlenty, static_cast<int64_t>(peak / 1.07)),
             Contains("but the machine has "));
}

TEST_CASE("no lever is advised that the method or an option excludes") {
  const FitCase folder;
  const std::string clipped = check_says(folder.trials("finetune", "train.clip = 1\n"), 1 << 20);
  CHECK_THAT(clipped, !Contains("optimizer-in-backward"));
  const auto rule = [&](const std::string& method) {
    const auto trials = folder.trials(method);
    PlannedTrial planned{&trials.at(0), folder.facts(), {}, 0, 0};
    const plan::LeverRule allowed = training_levers(planned, builtin_methods());
    std::string names;
    for (const plan::LeverDoc& lever : plan::lever_docs()) {
      if (allowed(plan::parse_levers(lever.name))) names += lever.name + " ";
    }
    return names;
  };
  CHECK(rule("finetune") ==
        "optimizer-in-backward chunked-loss accumulate adamw8bit checkpointing bf16 "
        "bf16-stochastic ");
  CHECK(rule("distill") ==
        "optimizer-in-backward accumulate adamw8bit checkpointing bf16 bf16-stochastic ");
  CHECK(rule("a-gem") == "chunked-loss accumulate adamw8bit checkpointing bf16 bf16-stochastic ");
}

TEST_CASE("where no levers are enough the error says what all of them come to") {
  const FitCase folder;
  const std::string said = check_says(folder.trials("finetune"), 1 << 20);
  const auto trials = folder.trials("finetune");
  const PlannedTrial planned{&trials.at(0), folder.facts(), {}, 0, 0};
  const plan::Plan plan = plan::make_plan(folder.facts(), request_by_hand("finetune"), 1 << 20,
                                          training_levers(planned, builtin_methods()));
  CHECK(plan.remedies.empty());
  CHECK_THAT(said, Catch::EndsWith("\n  no levers of training make it fit; with all of them the "
                                   "peak is " +
                                   mib(plan.least_peak) + " MiB"));
}

TEST_CASE("of several jobs the largest trials count together") {
  const FitCase folder;
  auto trials = folder.trials("finetune");
  const auto small = folder.trials("lora");
  const int64_t large = plan::account(folder.facts(), request_by_hand("finetune")).peak(),
                low = plan::account(folder.facts(), request_by_hand("lora")).peak();
  trials.push_back(trials.at(0));
  trials.back().spec.seed = 2;
  trials.push_back(small.at(0));
  const int64_t machine = large + low;
  CHECK(check_says(trials, 0, machine, 1) == "");
  const std::string said = check_says(trials, 0, machine, 2);
  CHECK_THAT(said, Catch::StartsWith(
                       "by their memory plans the 2 largest trials of this sweep take " +
                       mib(2 * large) + " MiB together, and the machine has " + mib(machine) +
                       " MiB available; the largest is method "
                       "'finetune' on stream 'text' with model "));
  CHECK_THAT(said, Catch::EndsWith(", " + mib(large) +
                                   " MiB; nothing was loaded or stored. Set --jobs 1, or --no-plan "
                                   "to run them all the same"));
  CHECK_THAT(check_says(trials, 0, 2 * large, 8),
             Contains("the 3 largest trials of this sweep take " + mib(2 * large + low)) &&
                 Contains("Set --jobs 2, "));
  CHECK(check_says(trials, 0, 2 * large + low, 8) == "");
  trials.erase(trials.begin());
  CHECK(check_says(trials, 0, machine, 2) == "");
}

TEST_CASE("each trial that is too large is named once, whatever its seeds") {
  const FitCase folder;
  auto trials =
      folder.trials("finetune", "[[method]]\nname = \"lora\"\n[[method]]\nname = \"ewc\"\n");
  REQUIRE(trials.size() == 3);
  trials.push_back(trials.at(0));
  trials.back().spec.seed = 2;
  const int64_t limit = plan::account(folder.facts(), request_by_hand("lora")).peak();
  const std::string said = check_says(trials, limit);
  CHECK_THAT(said, Contains("\nmethod 'finetune' on") && Contains("\nmethod 'ewc' on") &&
                       !Contains("\nmethod 'lora' on"));
  CHECK(said.find("\nmethod 'finetune' on") == said.rfind("\nmethod 'finetune' on"));
}

TEST_CASE("what has no plan passes: other methods, other models, other devices, faults") {
  const FitCase folder;
  CHECK(check_says(folder.trials("ewc-kfac"), 1) == "");
  CHECK(check_says(folder.trials("lora", "train.pack = 64\n"), 1) == "");
  CHECK(check_says(folder.trials("lora", "lora.targets = \"q_proj\"\n"), 1) == "");
  CHECK(check_says(folder.trials("finetune", "model.base = \"nf4\"\n"), 1) == "");
  CHECK(check_says(trials_of("[model]\nname = \"decoder\"\n[[method]]\nname = \"finetune\"\n"),
                   1) == "");
  WorkSettings settings;
  settings.device_class = "cuda NVIDIA H100 80GB HBM3 sm_90";
  settings.memory = 1;
  settings.registry = &builtin_methods();
  CHECK_NOTHROW(preflight({{}, folder.trials("finetune"), settings, 1}));
}

TEST_CASE("a trial on a GPU is held against what the GPU has free") {
  const FitCase folder;
  const plan::Account account = plan::account(folder.facts(), request_by_hand("finetune"));
  WorkSettings settings;
  settings.device_class = "cuda NVIDIA H200 sm_90";
  settings.memory = 1;  // of the host
  settings.registry = &builtin_methods();
  settings.device_memory = account.peak();
  CHECK_NOTHROW(preflight({{}, folder.trials("finetune"), settings, 1}));
  settings.device_memory = account.peak() * 9 / 10;
  CHECK_THROWS_WITH(
      preflight({{}, folder.trials("finetune"), settings, 1}),
      Contains(": predicted peak " + mib(account.peak()) + " MiB (" + account.moment +
               "), but the GPU has " + mib(settings.device_memory) + " MiB; most of it ") &&
          Contains("would fit with train.levers = \"offload-optimizer\""));
  settings.device_memory = account.peak() * 3 / 2;
  settings.jobs = 2;
  std::vector<Trial> two = folder.trials("finetune");
  two.push_back(folder.trials("l2").at(0));
  CHECK_THROWS_WITH(preflight({{}, two, settings, 1}),
                    Contains("together, and the GPU has ") && Contains("Set --jobs 1"));
}

TEST_CASE("mapped weights count against --memory alone") {
  const FitCase folder(true);
  const auto trials = folder.trials("lora", "", "init = \"checkpoint\"\n");
  plan::PlanRequest request = request_by_hand("lora");
  const int64_t all = plan::account(folder.facts(), request).peak();
  request.mapped = true;
  const int64_t own = plan::account(folder.facts(), request).peak();
  REQUIRE(own < all * 8 / 10);
  CHECK(check_says(trials, all, own) == "");
  CHECK_THAT(check_says(trials, own, kPlenty),
             Contains(": predicted peak " + mib(all) + " MiB (") && Contains("but --memory is "));
  CHECK_THAT(check_says(trials, 0, own * 8 / 10),
             Contains(": predicted peak " + mib(own) + " MiB beside mapped weights ("));
}
