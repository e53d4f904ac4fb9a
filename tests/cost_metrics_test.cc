// Memory, size and time of a trial as a report counts them.
#include <catch2/catch.hpp>

#include "analysis/comparison.h"
#include "analysis/metric_table.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

std::optional<double> cost(const TrialResult& result, const std::string& key) {
  for (const CostMetric& metric : cost_metrics()) {
    if (metric.doc.key == key) return metric.of(result);
  }
  throw std::out_of_range("no metric " + key);
}

// The largest total is in phase train: 60 + 40 = 100, though the peaks of its categories are 70
// + 50.
TrialResult on_host() {
  TrialResult result;
  result.usage = {{"load", "base weights", "host", 30, 30},
                  {"train", "activations", "host", 70, 60},
                  {"train", "method state", "host", 50, 40},
                  {"evaluate", "activations", "host", 90, 90},
                  {"evaluate", "method state", "host", 45, 5},
                  {"evaluate", "optimizer", "host", 8, 0},
                  {"process", "process peak RSS", "host", 5000, 5000}};
  return result;
}

TrialResult timed() {
  TrialResult result;
  result.timing = {{"load", 100, 200, 0, 0},
                   {"importance", 0.5, 0.75, 0, 0},
                   {"evaluate", 2, 1.5, 0, 400},
                   {"train", 8, 6, 4000, 800},
                   {"teacher", 50, 25, 0, 0}};
  return result;
}

}  // namespace

TEST_CASE("peak memory is the largest sum of categories at one instant, not a sum of peaks",
          "[cost]") {
  CHECK(*cost(on_host(), "peak_memory_bytes") == 100);
  CHECK_FALSE(cost(on_host(), "host_memory_bytes"));  // the tensors are on the host
  CHECK(*cost(on_host(), "method_state_bytes") == 50);
  CHECK(*cost(on_host(), "optimizer_bytes") == 8);
  CHECK(*cost(on_host(), "process_peak_rss_bytes") == 5000);
}

TEST_CASE("on an accelerator its memory and the host's are two figures", "[cost]") {
  TrialResult result = on_host();
  result.usage.push_back({"train", "activations", "cuda", 300, 250});
  result.usage.push_back({"train", "method state", "cuda", 25, 25});
  result.usage.push_back({"process", "CUDA reserved", "cuda", 9000, 9000});
  CHECK(*cost(result, "peak_memory_bytes") == 275);
  CHECK(*cost(result, "host_memory_bytes") == 100);
  CHECK(*cost(result, "method_state_bytes") == 75);  // 50 on the host and 25 beside
}

TEST_CASE("without a memory report memory is not measured, rather than 0", "[cost]") {
  for (const char* key : {"peak_memory_bytes", "host_memory_bytes", "method_state_bytes",
                          "optimizer_bytes", "process_peak_rss_bytes"}) {
    INFO(key);
    CHECK_FALSE(cost({}, key));
  }
  TrialResult no_process = on_host();
  no_process.usage.pop_back();
  CHECK_FALSE(cost(no_process, "process_peak_rss_bytes"));
  no_process.usage = {{"train", "activations", "host", 1, 1}};
  CHECK(*cost(no_process, "method_state_bytes") == 0);  // measured: the method kept nothing
}

TEST_CASE("seconds are by phase, and together without loading and teachers", "[cost]") {
  CHECK(*cost(timed(), "wall_seconds_train") == 8);
  CHECK(*cost(timed(), "wall_seconds_evaluate") == 2);
  CHECK(*cost(timed(), "wall_seconds_importance") == .5);
  CHECK(*cost(timed(), "wall_seconds_teacher") == 50);
  CHECK(*cost(timed(), "wall_seconds") == 10.5);
  CHECK(*cost(timed(), "cpu_seconds_train") == 6);
  CHECK(*cost(timed(), "cpu_seconds") == 8.25);
}

TEST_CASE("a phase that a trial lacks is not measured, and sums take the others", "[cost]") {
  TrialResult result;
  result.timing = {{"load", 1, 1, 0, 0}};
  for (const char* key : {"wall_seconds_train", "wall_seconds_teacher", "wall_seconds",
                          "cpu_seconds", "cpu_seconds_train", "samples_per_second"}) {
    INFO(key);
    CHECK_FALSE(cost(result, key));
    CHECK_FALSE(cost({}, key));
  }
  result.timing.push_back({"train", 4, 3, 0, 8});
  CHECK(*cost(result, "wall_seconds") == 4);
  CHECK(*cost(result, "cpu_seconds") == 3);
}

TEST_CASE("rates are of training alone, and undefined where nothing was counted", "[cost]") {
  CHECK(*cost(timed(), "samples_per_second") == 100);
  CHECK(*cost(timed(), "tokens_per_second") == 500);
  TrialResult images = timed();
  images.timing[3].tokens = 0;
  CHECK_FALSE(cost(images, "tokens_per_second"));
  images.timing[3].wall = 0;
  CHECK_FALSE(cost(images, "samples_per_second"));
}

TEST_CASE("the comparison has wall and CPU seconds, their differences, and the jobs", "[cost]") {
  std::vector<TrialRecord> records;
  for (const int64_t seed : {1, 2}) {
    for (const char* method : {"finetune", "ewc"}) {
      records.push_back(finished(method, seed, {{.1}, {.9}}));
      records.back().environment.jobs = 3;
      records.back().result.timing = timed().timing;
    }
    records.back().result.timing[1].cpu += 2;  // importances of ewc
  }
  const Comparison c = compare(records).at(0);
  CHECK(c.methods[1].metrics.at("wall_seconds").over_seeds.mean == 10.5);
  CHECK(c.methods[1].metrics.at("cpu_seconds").over_seeds.mean == 10.25);
  CHECK(c.methods[1].metrics.at("cpu_seconds").minus_finetune->mean == 2);
  CHECK(c.methods[1].jobs == std::set<int64_t>{3});
}

}  // namespace lethe
