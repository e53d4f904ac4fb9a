// `lethe check` without the program: what a store's metrics are held against.
#include "analysis/baseline.h"

#include <catch2/catch.hpp>
#include <limits>

#include "core/error.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

// finetune: final average 0.7, forgetting 0.4. multitask: 0.9 and 0.05.
std::vector<Comparison> two_methods(const MetricInfo& metric = {"accuracy", "fraction", true}) {
  return compare({finished("finetune", 1, {{.1, .1}, {.9, .2}, {.5, .9}}, metric),
                  finished("multitask", 1, {{.1, .1}, {.9, .2}, {.85, .95}}, metric)});
}

std::string bound(const std::string& method, const std::string& metric, const std::string& value,
                  const std::string& allowed_fall, const std::string& more = "") {
  return "[[metric]]\nstream = \"split\"\nmethod = \"" + method + "\"\nmetric = \"" + metric +
         "\"\nvalue = " + value + "\nallowed_fall = " + allowed_fall + "\n" + more;
}

std::string relation(const std::string& metric, const std::string& expression,
                     const std::string& more = "") {
  return "[[relation]]\nstream = \"split\"\nmetric = \"" + metric + "\"\nexpression = \"" +
         expression + "\"\n" + more;
}

using Lines = std::vector<std::string>;

Lines violations(const std::string& toml,
                 const std::vector<Comparison>& comparisons = two_methods()) {
  Lines lines;
  for (const auto& one : check_baseline(parse_baseline(toml, "b.toml"), comparisons)) {
    lines.push_back(one.text);
  }
  return lines;
}

}  // namespace

TEST_CASE("a metric may fall as far as its baseline allows and no farther", "[baseline]") {
  CHECK(violations(bound("multitask", "final_average", "0.9", "0")).empty());
  CHECK(violations(bound("multitask", "final_average", "0.92", "0.02")).empty());
  CHECK(violations(bound("multitask", "final_average", "0.5", "0")).empty());  // better is well
  CHECK(violations("# a comment\n" + bound("multitask", "final_average", "0.93", "0.02")) ==
        Lines{"multitask final_average on split (model mlp) = 0.9 < 0.91 = baseline 0.93 - allowed "
              "fall 0.02 (b.toml:2)"});
}

TEST_CASE("where lower is better a metric may rise as far as is allowed", "[baseline]") {
  CHECK(violations(bound("finetune", "forgetting", "0.4", "0")).empty());
  CHECK(violations(bound("finetune", "forgetting", "0.375", "0.025")).empty());
  CHECK(violations(bound("finetune", "forgetting", "0.5", "0")).empty());
  CHECK(violations(bound("finetune", "forgetting", "0.3", "0.05")) ==
        Lines{"finetune forgetting on split (model mlp) = 0.4 > 0.35 = baseline 0.3 + allowed rise "
              "0.05 (b.toml:1)"});
}

TEST_CASE("the direction of a score is that of the stream's metric", "[baseline]") {
  const auto losses = two_methods({"loss", "nats", false});
  CHECK(violations(bound("multitask", "final_average", "0.9", "0"), losses).empty());
  CHECK(violations(bound("multitask", "final_average", "1.5", "0"), losses).empty());
  CHECK(violations(bound("multitask", "final_average", "0.8", "0.05"), losses) ==
        Lines{"multitask final_average on split (model mlp) = 0.9 > 0.85 = baseline 0.8 + allowed "
              "rise 0.05 (b.toml:1)"});
}

TEST_CASE("what was not measured is a violation that says so", "[baseline]") {
  CHECK(violations(bound("ewc", "final_average", "0.5", "0")) ==
        Lines{"ewc final_average on split was not measured; baseline 0.5 (b.toml:1)"});
  CHECK(violations(bound("finetune", "base_loss_rise", "2", "0")) ==
        Lines{"finetune base_loss_rise on split was not measured; baseline 2 (b.toml:1)"});
  CHECK(violations(bound("finetune", "final_average", "0.5", "0", "model = \"decoder\"\n")) ==
        Lines{"finetune final_average on split was not measured; baseline 0.5 (b.toml:1)"});
  CHECK(violations(bound("finetune", "final_average", "0.5", "0"), {}).size() == 1);
  CHECK(violations(relation("forgetting", "ewc < finetune")) ==
        Lines{"ewc < finetune: forgetting of ewc on split was not measured (b.toml:1)"});
  CHECK(violations(relation("forgetting", "ewc < finetune"), {}) ==
        Lines{"ewc < finetune: stream split was not measured (b.toml:1)"});
}

TEST_CASE("a score that is not a number breaks its bound and its relation", "[baseline]") {
  auto comparisons = two_methods();
  comparisons[0].methods[0].metrics["final_average"].over_seeds.mean =
      std::numeric_limits<double>::quiet_NaN();
  CHECK(violations(bound("finetune", "final_average", "0.5", "0.5"), comparisons) ==
        Lines{"finetune final_average on split (model mlp) = nan < 0 = baseline 0.5 - allowed fall "
              "0.5 (b.toml:1)"});
  CHECK(violations(relation("final_average", "finetune < multitask"), comparisons).size() == 1);
}

TEST_CASE("relations between methods hold by their margin", "[baseline]") {
  CHECK(violations(relation("final_average", "multitask > finetune", "margin = 0.1\n")).empty());
  CHECK(violations(relation("forgetting", "multitask < finetune")).empty());
  CHECK(violations(relation("forgetting", "0 < multitask < 0.1 < finetune")).empty());
  CHECK(violations(relation("final_average", "finetune >= multitask >= 0.95")) ==
        Lines{"finetune >= multitask does not hold for final_average on split (model mlp): 0.7 and "
              "0.9, margin 0 (b.toml:1)",
              "multitask >= 0.95 does not hold for final_average on split (model mlp): 0.9 and "
              "0.95, margin 0 (b.toml:1)"});
  CHECK(violations(relation("final_average", "multitask > finetune", "margin = 0.25\n")) ==
        Lines{"multitask > finetune does not hold for final_average on split (model mlp): 0.9 and "
              "0.7, margin 0.25 (b.toml:1)"});
}

TEST_CASE("an entry without a model holds every model of the stream", "[baseline]") {
  auto other = finished("finetune", 1, {{.1, .1}, {.9, .2}, {.3, .9}});  // final average 0.6
  other.model = "decoder";
  const auto comparisons =
      compare({finished("finetune", 1, {{.1, .1}, {.9, .2}, {.5, .9}}), other});
  CHECK(violations(bound("finetune", "final_average", "0.65", "0"), comparisons) ==
        Lines{"finetune final_average on split (model decoder) = 0.6 < 0.65 = baseline 0.65 - "
              "allowed fall 0 (b.toml:1)"});
  const std::string only = "model = \"mlp\"\n";
  CHECK(violations(bound("finetune", "final_average", "0.65", "0", only), comparisons).empty());
  CHECK(violations(relation("final_average", "finetune > 0.65"), comparisons).size() == 1);
  CHECK(violations(relation("final_average", "finetune > 0.65", only), comparisons).empty());
}

TEST_CASE("tasks of two metrics are held by keys with the metric's name", "[baseline]") {
  TrialRecord record = finished("finetune", 1, {{.1}, {.9}});
  record.result.task_names.push_back("task 2");
  for (const int64_t after : {0, 1, 2}) {
    record.result.evaluations.push_back(scored(after, 2, 2.5, {"loss", "nats", false}));
  }
  record.result.evaluations.push_back(scored(2, 1, .6));
  const auto comparisons = compare({record});
  CHECK(violations(bound("finetune", "final_average:accuracy", "0.6", "0"), comparisons).empty());
  CHECK(violations(bound("finetune", "final_average:loss", "2", "0.25"), comparisons) ==
        Lines{"finetune final_average:loss on split (model mlp) = 2.5 > 2.25 = baseline 2 + "
              "allowed rise 0.25 (b.toml:1)"});
}

}  // namespace lethe
