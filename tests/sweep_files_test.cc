// The sweeps of the repository, with the figures and relations that stand beside them.
#include <algorithm>
#include <set>

#include "analysis/baseline.h"
#include "analysis/reference.h"
#include "analysis/relation.h"
#include "tests/catch.h"
// After Catch.
#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/sweep_case.h"

using namespace lethe;
using Words = std::vector<std::string>;

namespace {

const std::string kSweeps = std::string(LETHE_SOURCE_DIR) + "/sweeps/";

/// The trials of a sweep of images, on a small set in the place of MNIST.
std::vector<Trial> trials_of_file(const std::string& name) {
  static const Scratch scratch;
  write_set(scratch);
  return expand(with_overrides(read_sweep(kSweeps + name), {"stream.data=" + scratch.folder()},
                               builtin_methods()),
                builtin_methods());
}

std::set<int64_t> seeds_of(const std::vector<Trial>& trials, const std::string& label,
                           const std::string& stream) {
  std::set<int64_t> seeds;
  for (const Trial& trial : trials) {
    if (trial.label == label && trial.stream_label == stream) seeds.insert(trial.spec.seed);
  }
  return seeds;
}

bool is_about(const ReferenceStream& stream, const Trial& trial) {
  const OptionMap& options = trial.spec.stream.options;
  return trial.spec.stream.name == stream.name && stream.model == trial.model_label &&
         std::all_of(stream.when.begin(), stream.when.end(), [&](const auto& option) {
           return options.contains(option.first) && options.at(option.first) == option.second;
         });
}

/// Figures of a reference that no trial of the sweep stands beside.
Words figures_alone(const std::string& reference, const std::vector<Trial>& trials) {
  Words alone;
  for (const ReferenceStream& stream : read_reference(kSweeps + reference).streams) {
    for (const ReferenceFigure& figure : stream.figures) {
      const bool met = std::any_of(trials.begin(), trials.end(), [&](const Trial& trial) {
        return trial.label == figure.method && is_about(stream, trial);
      });
      if (!met) alone.push_back(stream.title + ": " + figure.method);
    }
  }
  return alone;
}

void relations_have_trials(const std::string& file, size_t relations,
                           const std::vector<Trial>& trials) {
  const Baseline baseline = read_baseline(kSweeps + file);
  CHECK(baseline.relations.size() == relations);
  for (const Relation& relation : baseline.relations) {
    for (const std::string& term : parse_chain(relation.expression).terms) {
      for (const std::string& member : members_of(term)) {
        CAPTURE(relation.stream, member);
        CHECK((constant(member) || !seeds_of(trials, member, relation.stream).empty()));
      }
    }
  }
}

}  // namespace

TEST_CASE("three_scenarios has ten seeds where the order of methods is close") {
  const auto trials = trials_of_file("three_scenarios.toml");
  CHECK(trials.size() == 280);
  for (const std::string method : {"finetune", "si", "lwf", "replay", "a-gem"}) {
    CHECK(seeds_of(trials, method, "split scenario=domain validation=1").size() == 10);
    CHECK(seeds_of(trials, method, "split validation=1") == std::set<int64_t>{2, 3, 4, 5, 6});
  }
  CHECK(seeds_of(trials, "ewc", "split scenario=domain validation=1").size() == 5);
  CHECK(seeds_of(trials, "mas", "split scenario=task validation=1").size() == 5);
}

TEST_CASE("the trials of three_scenarios keep their place in its order") {
  std::vector<std::pair<int64_t, std::string>> order;
  for (const Trial& trial : trials_of_file("three_scenarios.toml")) {
    if (trial.stream_label == "split validation=1" && trial.spec.seed == 2) {
      order.emplace_back(trial.position, trial.label);
    }
  }
  const std::vector<std::pair<int64_t, std::string>> first = {
      {1, "finetune"}, {2, "joint"},   {5, "ewc"},    {8, "ewc online"}, {11, "si"},
      {12, "lwf"},     {13, "replay"}, {14, "a-gem"}, {15, "derpp"}};
  REQUIRE(order.size() == 17);
  CHECK(std::equal(first.begin(), first.end(), order.begin()));
}

TEST_CASE("every published figure has its trials, and every relation its methods") {
  const auto scenarios = trials_of_file("three_scenarios.toml");
  CHECK(figures_alone("reference/three_scenarios.toml", scenarios).empty());
  const auto permuted = trials_of_file("permuted_mnist.toml");
  CHECK(figures_alone("reference/permuted_mnist.toml", permuted).empty());
  CHECK(permuted.size() == 30);
  CHECK(permuted[0].spec.stream.options.at("pad") == "2");
  relations_have_trials("three_scenarios_baseline.toml", 4, scenarios);
  relations_have_trials("split_mnist_baseline.toml", 5, trials_of_file("split_mnist.toml"));
}

TEST_CASE("the other sweeps stand for trials") {
  CHECK(trials_of_file("split_mnist.toml").size() == 54);
  for (const std::string file : {"ci.toml", "default.toml", "teachers.toml"}) {
    CHECK_FALSE(expand(read_sweep(kSweeps + file), builtin_methods()).empty());
  }
}
