// How a comparison says what its trials trained with.
#include "analysis/trained_as.h"

#include <catch2/catch.hpp>

#include "analysis/report.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

const std::string kPlain =
    "\ntrain.accumulate = 1\ntrain.batch = 128\ntrain.clip = 0\ntrain.epochs = 0\ntrain.lr = 0.001"
    "\ntrain.optimizer = adam\ntrain.schedule = constant\ntrain.steps = 2000"
    "\ntrain.weight_decay = 0";

TrialRecord trained(const std::string& method, int64_t seed, const std::string& lines) {
  TrialRecord record = finished(method, seed, {{.1, .1}, {.9, .2}, {.8, .7}});
  record.key.text += lines;
  return record;
}

}  // namespace

TEST_CASE("updates are told a task and in all, and what is off is left out") {
  CHECK(trained_as("method = joint" + kPlain, 5) ==
        "2000 steps a task (10000 in all), batch 128, adam, lr 0.001");
}

TEST_CASE("epochs stand in place of steps, and what is used is told") {
  CHECK(trained_as("train.accumulate = 4\ntrain.batch = 8\ntrain.clip = 1\ntrain.epochs = 3"
                   "\ntrain.lr = 0.1\ntrain.optimizer = sgd\ntrain.schedule = linear"
                   "\ntrain.steps = 100\ntrain.weight_decay = 0.01",
                   5) ==
        "3 epochs a task, batch 8, batches an update 4, sgd, lr 0.1, schedule linear, clip 1, "
        "weight decay 0.01");
  CHECK(trained_as("train.epochs = 1", 2) == "1 epoch a task");
  CHECK(trained_as("train.epochs = 9\ntrain.momentum = 0.9\ntrain.optimizer = sgd"
                   "\ntrain.patience = 2\ntrain.reset_optimizer = false\ntrain.warmup = 0.1",
                   5) ==
        "at most 9 epochs a task, sgd, momentum 0.9, state kept over tasks, warmup 0.1");
  CHECK(trained_as("method = finetune\nseed = 1", 2).empty());
}

TEST_CASE("a report says how all methods trained, and which did otherwise") {
  std::string slower = kPlain;
  slower.replace(slower.find("0.001"), 5, "0.0001");
  const auto comparisons =
      compare({trained("finetune", 1, slower), trained("ewc", 1, kPlain), trained("si", 1, kPlain),
               trained("joint", 1, slower), trained("ewc", 2, kPlain), trained("mas", 1, kPlain)});
  const std::string usual = "2000 steps a task (4000 in all), batch 128, adam, lr 0.001";
  const std::string expected =
      usual + "; finetune, joint: 2000 steps a task (4000 in all), batch 128, adam, lr 0.0001";
  CHECK(training_of(comparisons[0]) == expected);
  CHECK(report_markdown(comparisons).find("- Training: " + expected + "\n") != std::string::npos);
}

}  // namespace lethe
