// Comparisons beside their means: matrices, the metrics' words for a stream, samples.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/comparison.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

const MetricInfo kLoss = {"loss", "nats", false};

Comparison sole(const std::vector<TrialRecord>& records) { return compare(records).at(0); }

const MetricDoc& doc(const Comparison& comparison, const std::string& key) {
  for (const auto& one : comparison.docs) {
    if (one.key == key) return one;
  }
  throw std::out_of_range("no doc of " + key);
}

}  // namespace

TEST_CASE("mean matrices hold cells over seeds, the random row included", "[comparison]") {
  auto records = std::vector{finished("finetune", 1, {{.1, .2}, {.9, .3}, {.4, .8}}),
                             finished("finetune", 2, {{.1, .2}, {.7, .3}, {.2, .8}})};
  records[0].result.evaluations.push_back(scored(-1, 1, .05));
  const auto matrices = sole(records).methods[0].matrices;
  REQUIRE(matrices.size() == 1);
  const MeanMatrix& matrix = matrices[0];
  CHECK(matrix.metric == "accuracy");
  CHECK(matrix.tasks == std::vector<std::string>{"task 1", "task 2"});
  CHECK(matrix.rows.size() == 4);
  CHECK(*matrix.rows.at(1)[0] == Approx(.8));
  CHECK(*matrix.rows.at(2)[0] == Approx(.3));
  CHECK(*matrix.rows.at(-1)[0] == Approx(.05));
  CHECK_FALSE(matrix.rows.at(-1)[1]);
  CHECK(matrix.cells.at(1)[0].n == 2);
  CHECK(*matrix.cells.at(1)[0].sd == Approx(.1 * std::sqrt(2.)));
  CHECK(matrix.cells.at(-1)[0].n == 1);
}

TEST_CASE("where seeds have tasks in another order the columns are numbered", "[comparison]") {
  auto records = std::vector{finished("finetune", 1, {{.1, .2}, {.9, .3}, {.4, .8}}),
                             finished("finetune", 2, {{.1, .2}, {.7, .3}, {.2, .8}})};
  records[0].result.task_names = {"cats", "dogs"};
  CHECK(sole({records[0]}).methods[0].matrices[0].tasks ==
        std::vector<std::string>{"cats", "dogs"});
  records[1].result.task_names = {"dogs", "cats"};
  CHECK(sole(records).methods[0].matrices[0].tasks == std::vector<std::string>{"task 1", "task 2"});
}

TEST_CASE("the docs of a comparison have the stream's unit and direction", "[comparison]") {
  const Comparison counts = sole({finished("finetune", 1, {{.1, .2}, {.9, .3}, {.4, .8}})});
  CHECK(doc(counts, "final_average").unit == "fraction");
  CHECK(doc(counts, "final_average").higher_is_better);
  CHECK_FALSE(doc(counts, "forgetting").higher_is_better);
  CHECK(doc(counts, "retention").unit == "ratio");
  const Comparison losses = sole({finished("finetune", 1, {{3, 3}, {1, 3}, {2, 1}}, kLoss)});
  CHECK(doc(losses, "final_average").unit == "nats");
  CHECK_FALSE(doc(losses, "final_average").higher_is_better);
  CHECK_FALSE(doc(losses, "forgetting").higher_is_better);
  CHECK(doc(losses, "backward_transfer").higher_is_better);
  CHECK_THROWS(doc(counts, "base_loss_rise"));  // nothing measured it
}

TEST_CASE("a stream of two metrics has a column of each and a matrix of each", "[comparison]") {
  TrialRecord record = finished("finetune", 1, {{.1}, {.9}, {.4}});
  record.result.task_names = {"words", "text"};
  for (const int64_t after : {0, 1, 2}) {
    record.result.evaluations.push_back(scored(after, 2, 3. - static_cast<double>(after), kLoss));
  }
  const Comparison c = sole({record});
  CHECK(c.methods[0].metrics.at("final_average:accuracy").over_seeds.mean == Approx(.4));
  CHECK(c.methods[0].metrics.at("final_average:loss").over_seeds.mean == Approx(1));
  CHECK(c.methods[0].metrics.count("final_average") == 0);
  CHECK(doc(c, "final_average:loss").title == "Final average (loss)");
  CHECK(doc(c, "final_average:loss").unit == "nats");
  CHECK(c.methods[0].matrices.size() == 2);
}

TEST_CASE("probes are named after what they measure", "[comparison]") {
  TrialRecord record = finished("finetune", 1, {{.1}, {.9}});
  const auto probe = [&](int64_t after, double score, const MetricInfo& metric) {
    record.result.evaluations.push_back(scored(after, 0, score, metric));
  };
  probe(0, 1.5, kLoss);
  probe(1, 2.25, kLoss);
  probe(0, .75, {"accuracy", "fraction", true});
  probe(1, .5, {"accuracy", "fraction", true});
  probe(0, .5, {"token_accuracy", "fraction", true});
  probe(1, .25, {"token_accuracy", "fraction", true});
  const Comparison c = sole({record});
  const auto mean = [&](const char* key) { return c.methods[0].metrics.at(key).over_seeds.mean; };
  CHECK(mean("base_loss_before") == Approx(1.5));
  CHECK(mean("base_loss_after") == Approx(2.25));
  CHECK(mean("base_loss_rise") == Approx(.75));
  CHECK(mean("base_accuracy_drop") == Approx(.25));
  CHECK(doc(c, "base_loss_rise").title == "Base loss rise");
  CHECK(doc(c, "base_accuracy_drop").title == "Base accuracy drop");
  CHECK(doc(c, "base_token_accuracy_drop").title == "Base token accuracy drop");
  CHECK(doc(c, "base_accuracy_drop").unit == "fraction");
  CHECK(doc(c, "base_accuracy_after").higher_is_better);
  CHECK_FALSE(doc(c, "base_accuracy_drop").higher_is_better);
}

TEST_CASE("several probes of one metric have columns of their own, and stand in the matrices",
          "[comparison]") {
  TrialRecord record = finished("finetune", 1, {{.1}, {.9}, {.5}});
  const auto probe = [&](const char* name, int64_t after, double score, const MetricInfo& metric) {
    Evaluation cell = scored(after, 0, score, metric);
    cell.task = name;
    record.result.evaluations.push_back(cell);
  };
  for (const int64_t after : {0, 1, 2}) {
    probe("stories", after, 1.5 + .5 * static_cast<double>(after), kLoss);
    probe("code", after, 2 - .25 * static_cast<double>(after), kLoss);
    probe("stories", after, .6 - .1 * static_cast<double>(after), {"accuracy", "fraction", true});
  }
  record.result.notes = {"task 'a': 1 record is left out"};
  TrialRecord other = finished("finetune", 2, {{.1}, {.9}, {.5}});
  other.result.notes = record.result.notes;
  const Comparison c = sole({record, other});
  const auto mean = [&](const char* key) { return c.methods[0].metrics.at(key).over_seeds.mean; };
  CHECK(mean("base_loss_rise:stories") == Approx(1));
  CHECK(mean("base_loss_rise:code") == Approx(-.5));
  CHECK(mean("base_loss_rise") == Approx(.25));  // each probe counts once
  CHECK(mean("base_loss_after:code") == Approx(1.5));
  CHECK(mean("base_loss_perplexity_ratio:stories") == Approx(std::exp(1)));
  CHECK(mean("base_accuracy_drop") == Approx(.2));
  CHECK(c.methods[0].metrics.count("base_accuracy_drop:stories") == 0);  // the only one
  CHECK(doc(c, "base_loss_rise:stories").title == "Base loss rise, stories");
  CHECK(doc(c, "base_loss_rise:stories").unit == "nats");

  // Tasks are measured in accuracy: its matrix has the probe's column, loss has probes alone.
  const auto& matrices = c.methods[0].matrices;
  REQUIRE(matrices.size() == 2);
  CHECK(matrices[0].probes == std::vector<std::string>{"stories"});
  CHECK(*matrices[0].probe_rows.at(2).at(0) == Approx(.4));
  CHECK(matrices[1].metric == "loss");
  CHECK(matrices[1].tasks.empty());
  CHECK(matrices[1].probes == std::vector<std::string>{"stories", "code"});
  CHECK(*matrices[1].probe_rows.at(1).at(1) == Approx(1.75));

  CHECK(std::count(c.notes.begin(), c.notes.end(), "task 'a': 1 record is left out") == 1);
}

TEST_CASE("samples come from the smallest seed that learned a row and lost it, else the smallest",
          "[comparison]") {
  const auto with_samples = [](int64_t seed, const std::vector<std::string>& by_stage) {
    TrialRecord record = finished("finetune", seed, {{.1, .2}, {.9, .3}, {.4, .8}});
    for (size_t stage = 0; stage < by_stage.size(); ++stage) {
      record.result.samples.push_back(
          {static_cast<int64_t>(stage), 1, 0, "say it", "yes", by_stage[stage]});
    }
    return record;
  };
  const auto kept = with_samples(1, {"no", "yes", "yes"});
  const auto lost = with_samples(2, {"no", "yes", "no"});
  const auto also_lost = with_samples(3, {"no", "yes", "??"});
  const MethodRow chosen = sole({also_lost, lost, kept}).methods[0];
  CHECK(chosen.sample_seed == 2);
  REQUIRE(chosen.samples.size() == 3);
  CHECK(chosen.samples[2].generated == "no");
  CHECK(sole({with_samples(4, {"no", "no", "no"}), kept}).methods[0].sample_seed == 1);
  const MethodRow without = sole({with_samples(1, {}), lost}).methods[0];
  CHECK(without.sample_seed == 2);
  CHECK(sole({with_samples(5, {})}).methods[0].samples.empty());
}

}  // namespace lethe
