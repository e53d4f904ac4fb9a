// Comparisons: means and paired differences by hand, what is grouped, what is noted.
#include "analysis/comparison.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/report.h"
#include "tests/near.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

using Lines = std::vector<std::string>;

// Two tasks; the final average is (first + .8) / 2, forgetting .9 - first.
TrialRecord trial(const std::string& method, int64_t seed, double first) {
  return finished(method, seed, {{.1, .2}, {.9, .3}, {first, .8}});
}

TrialRecord failed(const std::string& method, int64_t seed, const std::string& error) {
  TrialRecord record = trial(method, seed, 0);
  record.status = "failed";
  record.error = error;
  record.result = {};
  return record;
}

Comparison only(const std::vector<TrialRecord>& records) {
  const auto comparisons = compare(records);
  REQUIRE(comparisons.size() == 1);
  return comparisons.front();
}

constexpr double kT2 = 4.3026527297494637;  // Student's t(2, 0.975), A & S table 26.10
constexpr double kT1 = 12.706204736174705;

Lines labels(const Comparison& comparison) {
  Lines all;
  for (const auto& method : comparison.methods) all.push_back(method.label);
  return all;
}

}  // namespace

TEST_CASE("a note says what a strength multiplies, or that strengths are not comparable",
          "[comparison]") {
  TrialRecord first = trial("ewc", 1, .2), second = trial("ewc (batched)", 1, .4);
  TrialRecord other = trial("si", 1, .4), plain = trial("finetune", 1, .2);
  first.result.penalties = {{"ewc", "Fisher, exact labels", "n", true, "own of each task"}};
  second.result.penalties = {{"ewc", "Fisher, batches of 128", "n", true, "latest"}};
  other.result.penalties = {{"si", "path integral", "", false, "latest"}};
  const Comparison comparison = only({plain, first, second, other});
  const auto& notes = comparison.notes;
  const auto has = [&](const std::string& line) {
    return std::find(notes.begin(), notes.end(), line) != notes.end();
  };
  CHECK(
      has("strengths of ewc are not comparable, they multiply different things: [ewc (batched): "
          "Fisher, batches of 128, divisor n, with the half, anchor: latest] [ewc: Fisher, exact "
          "labels, divisor n, with the half, anchor: own of each task]"));
  const std::string si =
      "the strength of si multiplies: path integral, without a half, anchor: latest";
  CHECK(has(si));
  for (const std::string& text :
       {report_markdown({comparison}), report_html({comparison}), report_latex({comparison})}) {
    CHECK(text.find(si) != std::string::npos);  // the footnote reaches the reader
    CHECK(text.find("Fisher, batches of 128, divisor n, with the half") != std::string::npos);
  }
}

TEST_CASE("mean, deviation and t interval over three seeds by hand", "[comparison]") {
  const Comparison c =
      only({trial("finetune", 1, .2), trial("finetune", 2, .4), trial("finetune", 3, .6)});
  const MethodRow& row = c.methods[0];
  CHECK(row.seeds == 3);
  const Summary& final = row.metrics.at("final_average").over_seeds;  // .5, .6, .7
  CHECK(final.n == 3);
  CHECK(final.mean == near(.6));
  CHECK(*final.sd == near(.1));
  CHECK(*final.half_width == near(kT2 * .1 / std::sqrt(3.)));
  const Summary& lost = row.metrics.at("forgetting").over_seeds;  // .7, .5, .3
  CHECK(lost.mean == near(.5));
  CHECK(*lost.half_width == near(kT2 * .2 / std::sqrt(3.)));
  CHECK_FALSE(row.metrics.at("final_average").minus_finetune);  // finetune itself
  CHECK(c.notes.empty());
}

TEST_CASE("the difference to finetune is taken seed by seed", "[comparison]") {
  const Comparison c =
      only({trial("finetune", 1, .2), trial("finetune", 2, .4), trial("finetune", 3, .6),
            trial("ewc", 1, .3), trial("ewc", 2, .6), trial("ewc", 3, .9)});
  CHECK(labels(c) == Lines{"finetune", "ewc"});
  const MetricCell& cell = c.methods[1].metrics.at("forgetting");  // -.1, -.2, -.3
  REQUIRE(cell.minus_finetune);
  CHECK(cell.minus_finetune->n == 3);
  CHECK(cell.minus_finetune->mean == near(-.2));
  CHECK(*cell.minus_finetune->sd == near(.1));
  CHECK(*cell.minus_finetune->half_width == near(kT2 * .1 / std::sqrt(3.)));
  CHECK(*cell.over_seeds.half_width == near(kT2 * .3 / std::sqrt(3.)));  // unpaired it is wider
}

TEST_CASE("only seeds that both have make a difference, and the missing ones are noted",
          "[comparison]") {
  const Comparison c = only({trial("finetune", 1, .2), trial("finetune", 2, .4),
                             trial("ewc", 2, .5), trial("ewc", 3, .9), trial("ewc", 1, .5)});
  const MetricCell& cell = c.methods[1].metrics.at("forgetting");  // -.3, -.1
  CHECK(cell.over_seeds.n == 3);
  CHECK(cell.minus_finetune->n == 2);
  CHECK(cell.minus_finetune->mean == near(-.2));
  CHECK(*cell.minus_finetune->half_width ==
        near(kT1 * .1 * std::sqrt(2.) / std::sqrt(2.)));  // sd = .1 sqrt 2
  CHECK(c.notes == Lines{"finetune: no result for seed 3, which other methods have"});
}

TEST_CASE("methods without a common seed have no difference", "[comparison]") {
  const Comparison c = only({trial("finetune", 1, .2), trial("ewc", 2, .5)});
  CHECK_FALSE(c.methods[1].metrics.at("forgetting").minus_finetune);
  CHECK(c.notes == Lines{"finetune: no result for seed 2, which other methods have",
                         "finetune: one seed, hence no interval",
                         "ewc: no result for seed 1, which other methods have",
                         "ewc: one seed, hence no interval"});
}

TEST_CASE("one seed has means and differences without intervals", "[comparison]") {
  const Comparison c = only({trial("finetune", 7, .2), trial("ewc", 7, .5)});
  const MetricCell& cell = c.methods[1].metrics.at("forgetting");
  CHECK(cell.over_seeds.mean == near(.4));
  CHECK_FALSE(cell.over_seeds.half_width);
  CHECK(cell.minus_finetune->mean == near(-.3));
  CHECK_FALSE(cell.minus_finetune->half_width);
  CHECK(c.notes ==
        Lines{"finetune: one seed, hence no interval", "ewc: one seed, hence no interval"});
}

TEST_CASE("without a finished finetune there are no differences, which is noted", "[comparison]") {
  const std::string note = "no finished trial of finetune, hence no paired differences";
  const Comparison c = only({trial("ewc", 1, .2), trial("ewc", 2, .4)});
  CHECK_FALSE(c.methods[0].metrics.at("forgetting").minus_finetune);
  CHECK(c.notes == Lines{note});
  const Comparison with_failed =
      only({failed("finetune", 1, "NaN"), trial("ewc", 1, .2), trial("ewc", 2, .4)});
  CHECK(with_failed.notes == Lines{"finetune: seed 1 failed: NaN",
                                   "finetune: no result for seeds 1, 2, which other methods have",
                                   note});
}

TEST_CASE("a failed trial is counted and told, until it is done again", "[comparison]") {
  const std::vector<TrialRecord> records = {trial("finetune", 1, .2), trial("finetune", 2, .4),
                                            trial("ewc", 1, .2),
                                            failed("ewc", 2, "the loss is nan at step 7")};
  const Comparison c = only(records);
  CHECK(c.methods[1].seeds == 1);
  CHECK(c.methods[1].failed == 1);
  CHECK(c.methods[1].errors == Lines{"seed 2: the loss is nan at step 7"});
  CHECK(c.notes == Lines{"ewc: seed 2 failed: the loss is nan at step 7",
                         "ewc: no result for seed 2, which other methods have",
                         "ewc: one seed, hence no interval"});
  auto again = records;
  again.push_back(trial("ewc", 2, .4));
  CHECK(only(again).methods[1].failed == 0);
  CHECK(only(again).notes.empty());
}

TEST_CASE("trials still running are noted and not counted", "[comparison]") {
  TrialRecord running = failed("finetune", 3, "");
  running.status = "running";
  const Comparison c = only({trial("finetune", 1, .2), trial("finetune", 2, .4), running});
  CHECK(c.methods[0].seeds == 2);
  CHECK(c.methods[0].failed == 0);
  CHECK(c.notes == Lines{"finetune: 1 trial not finished"});
}

TEST_CASE("streams, models, builds and devices are compared apart, in order of appearance",
          "[comparison]") {
  std::vector<TrialRecord> records(6, trial("finetune", 1, .2));
  records[1].model = "decoder";
  records[2].stream = "permuted";
  records[3].key.build = "build2 with a long name";
  records[4].key.device_class = "cuda sm_90";
  const auto comparisons = compare(records);
  REQUIRE(comparisons.size() == 5);
  CHECK(comparisons[0].title == "split with mlp on cpu, build build1");
  CHECK(comparisons[1].title == "split with decoder on cpu, build build1");
  CHECK(comparisons[2].title == "permuted with mlp on cpu, build build1");
  CHECK(comparisons[3].title == "split with mlp on cpu, build build2 w");
  CHECK(comparisons[4].title == "split with mlp on cuda sm_90, build build1");
  CHECK(comparisons[0].methods[0].seeds == 1);  // listed twice, by two sweeps: counts once
  CHECK(comparisons[0].notes.back() ==
        "results of 2 builds are present, each compared apart: build1, build2 with a long name");
  CHECK(only({records[0]}).title == "split with mlp");
}

TEST_CASE("one label with two settings is never pooled", "[comparison]") {
  const auto with_lambda = [](int64_t seed, double first, const std::string& lambda) {
    TrialRecord record = trial("ewc", seed, first);
    record.key.text += "\nlambda = " + lambda;
    return record;
  };
  const Comparison c =
      only({trial("finetune", 1, .2), trial("finetune", 2, .4), with_lambda(1, .5, "10"),
            with_lambda(2, .5, "10"), with_lambda(1, .7, "300"), with_lambda(2, .7, "300")});
  CHECK(labels(c) == Lines{"finetune", "ewc", "ewc (earlier)"});
  CHECK(c.methods[1].metrics.at("forgetting").over_seeds.mean == near(.2));
  CHECK(c.methods[2].metrics.at("forgetting").over_seeds.mean == near(.4));
  CHECK(c.notes == Lines{"ewc (earlier): trials of the label ewc with other settings: lambda = 10 "
                         "instead of lambda = 300"});
}

TEST_CASE("seeds of one label that differ in more than the seed are noted", "[comparison]") {
  TrialRecord other = trial("finetune", 2, .4);
  other.key.text += "\nsteps = 9";
  CHECK(only({trial("finetune", 1, .2), other}).notes ==
        Lines{"finetune: its seeds differ in more than the seed: nothing more instead of steps = "
              "9"});
}

TEST_CASE("a metric that some seeds lack is a mean over the others, which is noted",
          "[comparison]") {
  auto records = std::vector{trial("finetune", 1, .2), trial("finetune", 2, .4)};
  for (auto& evaluation : records[1].result.evaluations) {
    if (evaluation.after_task == 1 && evaluation.on_task == 1) evaluation.total = 0;
  }
  const Comparison c = only(records);
  CHECK(c.methods[0].metrics.at("final_average").over_seeds.n == 2);
  CHECK(c.methods[0].metrics.at("forgetting").over_seeds.n == 1);
  CHECK(c.methods[0].metrics.at("forgetting").over_seeds.mean == near(.7));
  CHECK(std::find(c.notes.begin(), c.notes.end(),
                  "finetune: forgetting is defined for 1 of 2 seeds") != c.notes.end());
}

TEST_CASE("times under different machines or numbers of jobs are noted", "[comparison]") {
  auto records = std::vector{trial("finetune", 1, .2), trial("finetune", 2, .4)};
  for (auto& record : records) record.environment.cpu = "some processor";
  records[1].environment.jobs = 2;
  const Comparison c = only(records);
  CHECK(c.methods[0].jobs == std::set<int64_t>{1, 2});
  CHECK(c.notes == Lines{"times are not comparable across all trials, which ran under: [; some "
                         "processor; threads 1; jobs 1] [; some processor; threads 1; jobs 2]"});
}

}  // namespace lethe
