// Relations between methods in one comparison: sets, paired differences, what a check says of them.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/baseline.h"
#include "core/error.h"
#include "tests/near.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

// The final average is the last row's mean.
TrialRecord ending(const std::string& method, int64_t seed, double average) {
  return finished(method, seed, {{.1, .1}, {.9, .2}, {average, average}});
}

// Means: joint .9, replay .7, si .4, finetune .3; si minus finetune by seed: -.1, .3.
std::vector<Comparison> measured() {
  return compare({ending("finetune", 1, .4), ending("finetune", 2, .2), ending("joint", 1, .9),
                  ending("joint", 2, .9), ending("replay", 1, .8), ending("replay", 2, .6),
                  ending("si", 1, .3), ending("si", 2, .5)});
}

Relation relation(const std::string& expression, double margin = 0) {
  Relation one;
  one.stream = "split";
  one.metric = "final_average";
  one.expression = expression;
  one.margin = margin;
  one.line = 7;
  return one;
}

RelationResult result(const std::string& expression, double margin = 0) {
  return result_of(relation(expression, margin), measured()[0]);
}

std::vector<std::string> steps(const RelationResult& relation) {
  std::vector<std::string> all;
  for (const RelationLink& link : relation.links) {
    all.push_back(link.left + " " + link.op + " " + link.right);
  }
  return all;
}

}  // namespace

TEST_CASE("what is said of a set is said of each of its members", "[relation]") {
  const RelationResult chain = result("joint > {replay, si} > finetune");
  CHECK(steps(chain) == std::vector<std::string>{"joint > replay", "joint > si",
                                                 "replay > finetune", "si > finetune"});
  CHECK(chain.holds());
  CHECK(chain.title == "Final average");
  CHECK(chain.unit == "fraction");
  CHECK(steps(result("0.45 > {si,finetune} > 0.25")).size() == 4);
  CHECK(result("0.45 > {si,finetune} > 0.25").holds());
  const RelationResult broken = result("{joint, si} > replay");
  CHECK_FALSE(broken.holds());
  CHECK(broken.links[0].holds);
  CHECK_FALSE(broken.links[1].holds);
}

TEST_CASE("a step has the difference by seed of any two methods", "[relation]") {
  const RelationLink link = result("si > finetune").links[0];
  CHECK(*link.left_mean == near(.4));
  CHECK(*link.right_mean == near(.3));
  CHECK(link.difference.n == 2);
  CHECK(link.difference.mean == near(.1));
  // sd of (-.1, .3) is .2 sqrt 2, hence the standard error .2; t(1, 0.975) = 12.7062.
  CHECK(*link.difference.half_width == near(12.706204736174705 * .2));
  const RelationLink with_number = result("replay > 0.5").links[0];
  CHECK(with_number.difference.mean == near(.2));
  CHECK(*with_number.difference.sd == near(std::sqrt(.02)));
  const RelationLink from_number = result("0.5 < replay").links[0];
  CHECK(from_number.difference.mean == near(-.2));
}

TEST_CASE("a margin counts for each member, and an unmeasured side does not hold", "[relation]") {
  CHECK(result("joint > {replay, si}", .15).holds());
  CHECK_FALSE(result("joint > {replay, si}", .25).links[0].holds);
  CHECK(result("joint > {replay, si}", .25).links[1].holds);
  const RelationResult unmeasured = result("joint > ewc");
  CHECK_FALSE(unmeasured.holds());
  CHECK_FALSE(unmeasured.links[0].right_mean);
  CHECK(unmeasured.links[0].difference.n == 0);
}

TEST_CASE("a check names the member of a set that breaks a relation or is missing", "[relation]") {
  Baseline baseline;
  baseline.path = "b.toml";
  baseline.relations = {relation("replay > {si, joint}")};
  REQUIRE(check_baseline(baseline, measured()).size() == 1);
  CHECK(check_baseline(baseline, measured())[0].text ==
        "replay > joint does not hold for final_average on split (model mlp): 0.7 and 0.9, margin "
        "0 (b.toml:7)");
  baseline.relations = {relation("replay > {si, ewc}")};
  REQUIRE(check_baseline(baseline, measured()).size() == 1);
  CHECK(check_baseline(baseline, measured())[0].text ==
        "replay > {si, ewc}: final_average of ewc on split was not measured (b.toml:7)");
}

TEST_CASE("relations go into the comparisons that they are about, others are named", "[relation]") {
  Baseline baseline;
  baseline.path = "b.toml";
  baseline.relations = {relation("joint > si"), relation("si > joint")};
  baseline.relations[1].stream = "permuted";
  auto comparisons = measured();
  CHECK(add_relations(baseline, comparisons) ==
        std::vector<std::string>{"si > joint: stream permuted was not measured (b.toml:7)"});
  REQUIRE(comparisons[0].relations.size() == 1);
  CHECK(comparisons[0].relations[0].expression == "joint > si");
}

}  // namespace lethe
