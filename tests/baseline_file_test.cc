// Baseline files: what is refused, and what an update leaves as it was.
#include <catch2/catch.hpp>

#include "analysis/baseline.h"
#include "core/error.h"
#include "tests/files.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

// finetune: final average 2/3 (0.8333.. and 0.5), forgetting 1/3.
std::vector<Comparison> one_method(double second = .5) {
  return compare({finished("finetune", 1, {{0, 0}, {5. / 6, 0}, {second, 5. / 6}})});
}

// The message with which a file "b.toml" is refused.
std::string refused(const std::string& toml) {
  try {
    parse_baseline(toml, "b.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

const std::string kBound =
    "[[metric]]\nstream = \"s\"\nmethod = \"m\"\nmetric = \"forgetting\"\nvalue = 1\n"
    "allowed_fall = 0\n";
const std::string kRelation =
    "[[relation]]\nstream = \"s\"\nmetric = \"forgetting\"\nexpression = \"a < b\"\n";

// kBound or kRelation with one line replaced.
std::string with(std::string toml, const std::string& line, const std::string& other) {
  return toml.replace(toml.find(line), line.size(), other);
}

// kBound for a metric of one_method().
std::string of_finetune(const std::string& metric) {
  return with(with(with(kBound, "\"s\"", "\"split\""), "\"m\"", "\"finetune\""), "forgetting",
              metric);
}

std::string updated(const std::string& toml, const std::vector<Comparison>& comparisons) {
  const Scratch scratch;
  const std::string path = scratch.write("b.toml", toml);
  write_baseline(with_measured(read_baseline(path), comparisons), path);
  return file_bytes(path);
}

}  // namespace

TEST_CASE("a baseline is read with its places", "[baseline]") {
  const Baseline read = parse_baseline("# two\n" + kBound + "\n" + kRelation, "b.toml");
  REQUIRE(read.metrics.size() == 1);
  CHECK(read.metrics[0].stream == "s");
  CHECK_FALSE(read.metrics[0].model);
  CHECK(read.metrics[0].value == 1);
  CHECK(read.metrics[0].line == 2);
  REQUIRE(read.relations.size() == 1);
  CHECK(read.relations[0].expression == "a < b");
  CHECK(read.relations[0].margin == 0);
  CHECK(read.relations[0].line == 9);
  CHECK(refused(kBound + kRelation) == "accepted");
}

TEST_CASE("bad TOML is refused with line and column", "[baseline]") {
  const std::string message = refused("[[metric]]\nstream = split\n");
  INFO(message);
  CHECK(message.rfind("b.toml:2:", 0) == 0);
}

TEST_CASE("an unknown table or key is refused with the known ones", "[baseline]") {
  const std::string tables = "; a baseline holds [[metric]] and [[relation]] tables";
  CHECK(refused("[[metrics]]\nvalue = 1\n") == "b.toml:1: unknown entry 'metrics'" + tables);
  CHECK(refused("\nmetric = 3\n") == "b.toml:2: unknown entry 'metric'" + tables);
  CHECK(refused(kBound + "allowed_rise = 1\n") ==
        "b.toml:7: unknown key 'allowed_rise' in [[metric]]; known keys: stream, model, method, "
        "metric, value, allowed_fall");
  CHECK(refused(kRelation + "value = 1\n") ==
        "b.toml:5: unknown key 'value' in [[relation]]; known keys: stream, model, metric, "
        "expression, margin");
}

TEST_CASE("a missing key is named with its entry", "[baseline]") {
  CHECK(refused(with(kBound, "method = \"m\"\n", "")) ==
        "b.toml:1: [[metric]] lacks the key 'method'");
  CHECK(refused(with(kBound, "value = 1\n", "")) == "b.toml:1: [[metric]] lacks the key 'value'");
  CHECK(refused(with(kBound, "allowed_fall = 0\n", "")) ==
        "b.toml:1: [[metric]] lacks the key 'allowed_fall'");
  CHECK(refused("\n" + with(kRelation, "expression = \"a < b\"\n", "")) ==
        "b.toml:2: [[relation]] lacks the key 'expression'");
}

TEST_CASE("a value of the wrong kind is refused at its own line", "[baseline]") {
  CHECK(refused(with(kBound, "value = 1", "value = \"1\"")) ==
        "b.toml:5: 'value' of [[metric]] is not a number");
  CHECK(refused(with(kBound, "value = 1", "value = nan")) ==
        "b.toml:5: 'value' of [[metric]] is not a finite number");
  CHECK(refused(with(kBound, "allowed_fall = 0", "allowed_fall = -0.1")) ==
        "b.toml:6: 'allowed_fall' of [[metric]] is not a number >= 0");
  CHECK(refused(with(kBound, "stream = \"s\"", "stream = 3")) ==
        "b.toml:2: 'stream' of [[metric]] is not text");
  CHECK(refused(with(kBound, "stream = \"s\"", "stream = \"\"")) ==
        "b.toml:2: 'stream' of [[metric]] is not text");
  CHECK(refused(kRelation + "margin = -1\n") ==
        "b.toml:5: 'margin' of [[relation]] is not a number >= 0");
  CHECK(refused(with(kRelation, "a < b", "a < b > c")) ==
        "b.toml:1: expression 'a < b > c' mixes < and >; expected a chain that goes one way");
}

TEST_CASE("an unknown metric is refused with the known ones; probes and suffixes are known",
          "[baseline]") {
  const std::string message = refused(with(kBound, "forgetting", "forgeting"));
  CHECK(message.rfind("b.toml:4: unknown metric 'forgeting'; known metrics: final_average, ", 0) ==
        0);
  CHECK(message.find(", cpu_seconds, ") != std::string::npos);
  CHECK(refused(with(kBound, "forgetting", "base_accuracy_drop")) == "accepted");
  CHECK(refused(with(kBound, "forgetting", "forgetting:loss")) == "accepted");
}

TEST_CASE("an update changes the values and leaves all else as it was", "[baseline]") {
  const std::string before =
      "# reviewed in May\n\n"
      "[[metric]]  # the floor\n"
      "method = \"finetune\"\nstream = \"split\"   # order and blanks are the author's\n"
      "metric = \"final_average\"\nvalue = 0.9  # was 0.8 before\nallowed_fall = 0.020\n\n"
      "[[relation]]\nstream = \"split\"\nmetric = \"forgetting\"\nexpression = \"finetune > 0.3\"\n"
      "margin = 0.01\n\n"
      "[[metric]]\nstream = \"split\"\nmethod = \"finetune\"\nmetric = \"forgetting\"\n"
      "value = 1e-1\nallowed_fall = 5e-2\n";
  std::string after = with(before, "value = 0.9 ", "value = 0.6666 ");
  after = with(after, "value = 1e-1", "value = 0.3334");
  CHECK(updated(before, one_method()) == after);
  CHECK(updated(after, one_method()) == after);
}

TEST_CASE("an updated baseline without allowance passes, whatever the last bit", "[baseline]") {
  for (const double second : {.5, .1, .3, .7, 1. / 7, 2. / 3, .9}) {
    const std::string text = of_finetune("forgetting") + of_finetune("final_average");
    const std::string written = updated(text, one_method(second));
    CHECK(check_baseline(parse_baseline(written, "b.toml"), one_method(second)).empty());
    CHECK(check_baseline(parse_baseline(written, "b.toml"), one_method(second - .01)).size() == 2);
  }
}

TEST_CASE("a value that did not change keeps its spelling, and so does an unmeasured one",
          "[baseline]") {
  const std::string same = with(of_finetune("forgetting"), "value = 1", "value = 3.334e-1");
  CHECK(updated(same, one_method()) == same);
  CHECK(updated(kBound, one_method()) == kBound);
}

TEST_CASE("an update finds the number behind text of several bytes a letter", "[baseline]") {
  const std::string inline_form =
      "metric = [{ stream = \"größe\", method = \"finetune\", metric = \"forgetting\", value=1, "
      "allowed_fall=0 }, { stream = \"größe\", method = \"finetune\", metric = \"retention\", "
      "allowed_fall=0, value=0.25}]\n";
  auto record = finished("finetune", 1, {{0, 0}, {.8, 0}, {.4, .8}});
  record.stream = "größe";
  std::string after = with(inline_form, "value=1,", "value=0.4,");
  CHECK(updated(inline_form, compare({record})) == with(after, "value=0.25", "value=0.5"));
}

TEST_CASE("of several models the worst value becomes the bound", "[baseline]") {
  auto better = finished("finetune", 1, {{0, 0}, {.8, 0}, {.8, .8}});
  auto worse = finished("finetune", 1, {{0, 0}, {.8, 0}, {.4, .8}});
  worse.model = "decoder";
  const std::string toml = of_finetune("forgetting");
  CHECK(updated(toml, compare({better, worse})) == with(toml, "value = 1", "value = 0.4"));
  const std::string only_mlp = toml + "model = \"mlp\"\n";
  CHECK(updated(only_mlp, compare({better, worse})) == with(only_mlp, "value = 1", "value = 0"));
}

TEST_CASE("a file that can't be read or written is named", "[baseline]") {
  const Scratch scratch;
  CHECK_THROWS_WITH(
      read_baseline(scratch.path("none.toml")),
      "baseline " + scratch.path("none.toml") + " can't be read; give the path of a TOML file");
  CHECK_THROWS_WITH(write_baseline(parse_baseline(kBound, "b.toml"), scratch.path("no/b.toml")),
                    "baseline " + scratch.path("no/b.toml") +
                        " can't be written; check the folder and the space on its disk");
}

}  // namespace lethe
