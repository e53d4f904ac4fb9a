// What the commands make of a store: show, report and check.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "results/store.h"
#include "tests/program.h"

using Catch::Contains;
using Catch::StartsWith;

namespace {

/// A store with finetune and ewc, seed 1, made once.
const Scratch& finished() {
  static const Scratch scratch;
  static const bool made = [] {
    write_sweep(scratch, "[1]", kFinetune + kEwc);
    return lethe_run(scratch, {"run", "sweep.toml", "--jobs", "1", "--quiet"}).code == 0;
  }();
  REQUIRE(made);
  return scratch;
}

lethe::TrialRecord stored(const std::string& id) {
  return lethe::ResultStore(finished().path("lethe.db"), lethe::OpenMode::read_only).find(id);
}

/// A baseline of one metric, finetune's final average, and what `relation` adds.
std::string baseline(double value, const std::string& relation = "") {
  const std::string stream = "stream = \"split validation=2\"\n";
  return "# kept\n[[metric]]\n" + stream + "method = \"finetune\"\nmetric = \"final_average\"\n" +
         "value = " + std::to_string(value) + "\nallowed_fall = 0.01\n" +
         (relation.empty() ? ""
                           : "[[relation]]\n" + stream +
                                 "metric = \"final_average\"\nexpression = \"" + relation + "\"\n");
}

/// Mean over the five tasks of the scores after the last.
double final_average() {
  double sum = 0;
  for (const lethe::Evaluation& score : stored("1").result.evaluations) {
    if (score.after_task == 5 && score.on_task > 0) sum += score.score();
  }
  return sum / 5;
}

}  // namespace

TEST_CASE("show prints a trial's settings, R matrix, costs and weights") {
  const lethe::TrialRecord trial = stored("2");
  for (const std::string& name : {std::string("2"), trial.digest.substr(0, 6)}) {
    const Ended ended = lethe_run(finished(), {"show", name});
    CHECK(ended.code == 0);
    CHECK_THAT(ended.out,
               StartsWith("trial 2 (" + trial.digest +
                          ")\nsplit validation=2 | mlp width=8 | ewc | seed 1\nstatus done\n"));
    CHECK_THAT(ended.out, Contains("\n" + trial.key.text + "\n"));
    CHECK_THAT(ended.out, Contains("\n  before  1:") && Contains("\n       5  1:"));
    CHECK_THAT(ended.out, Contains("\n  load ") && Contains("method state"));
    CHECK_THAT(ended.out, Contains("\nweights " + trial.result.weights_digest +
                                   "\n218 of 218 parameters trained\n"));
  }
  const Ended none = lethe_run(finished(), {"show", "77"});
  CHECK(none.code == 2);
  CHECK_THAT(none.err, StartsWith("error: no trial '77' in lethe.db; give an id or at least 4 "
                                  "characters of a digest; it holds: 1 ("));
}

TEST_CASE("show prints the error of a trial that failed") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune + "train.optimizer = \"sgd\"\ntrain.lr = 1e38\n");
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--quiet"}).code == 1);
  const Ended ended = lethe_run(scratch, {"show", "1"});
  CHECK(ended.code == 0);
  CHECK_THAT(ended.out, Contains("status failed\nerror: the loss of task 1 ('4/2') is nan at "));
  CHECK_THAT(ended.out, !Contains("scores"));
}

TEST_CASE("a report goes to the terminal or to a file, in the form of its ending") {
  const std::string markdown = lethe_run(finished(), {"report"}).out;
  CHECK_THAT(markdown, Contains("split validation=2"));
  CHECK(lethe_run(finished(), {"report", "--format", "md"}).out == markdown);
  const Ended page = lethe_run(finished(), {"report", "-o", "new/folder/report.html"});
  CHECK(page.code == 0);
  CHECK(page.out.empty());
  CHECK_THAT(file_bytes(finished().path("new/folder/report.html")), StartsWith("<!DOCTYPE html>"));
  CHECK(lethe_run(finished(), {"report", "-o", "a.csv"}).code == 0);
  CHECK_THAT(file_bytes(finished().path("a.csv")), StartsWith("comparison,stream,model,"));
}

TEST_CASE("a report is of the named sweeps and build, and names the known ones") {
  const std::string whole = lethe_run(finished(), {"report"}).out;
  const std::string name = "sweep";
  CHECK(lethe_run(finished(), {"report", "--sweep", name}).out == whole);
  // Named twice its trials count once.
  CHECK(lethe_run(finished(), {"report", "--sweep", name, "--sweep", name}).out == whole);
  for (const char* command : {"report", "check"}) {
    std::vector<std::string> words = {command, "--sweep", "nope"};
    if (words[0] == "check") {
      finished().write("b.toml", baseline(0.5, "finetune >= 0"));
      words.insert(words.end(), {"--baseline", "b.toml"});
    }
    const Ended ended = lethe_run(finished(), words);
    CHECK(ended.code == 2);
    CHECK(ended.err ==
          "error: lethe.db has no trial of a sweep 'nope'; its sweeps are: " + name + "\n");
  }
  const std::string build = stored("1").key.build;
  CHECK(lethe_run(finished(), {"report", "--build", build.substr(0, 16)}).out == whole);
  const Ended none = lethe_run(finished(), {"report", "--build", "xyz"});
  CHECK(none.code == 2);
  CHECK(none.err == "error: no builds of lethe.db begin with 'xyz'; give one of " +
                        build.substr(0, 16) + ", or all\n");
}

TEST_CASE("a report puts its results beside references and relations") {
  const std::string stream =
      "[[stream]]\nname = \"split\"\ntitle = \"Tiny\"\nmetric = \"final_average\"\n";
  finished().write("r.toml",
                   "title = \"Beside\"\nsections = [\"beside\", \"relations\"]\n"
                   "[[source]]\nkey = \"a\"\ncite = \"A\"\nstatus = \"quoted\"\nseeds = 4\n" +
                       stream +
                       "[[stream.figure]]\nmethod = \"ewc\"\n"
                       "published = [{ source = \"a\", mean = 50, sem = 500 }]\n");
  finished().write("more.toml", "introduction = \"Words of the second.\"\nnotes = \"End.\"\n");
  finished().write("b.toml", baseline(0.5, "finetune >= 0"));
  const Ended ended = lethe_run(finished(), {"report", "--reference", "r.toml", "--reference",
                                             "more.toml", "--baseline", "b.toml"});
  CHECK(ended.code == 0);
  CHECK_THAT(ended.out, StartsWith("# Beside\n\nWords of the second.\n\n## In short\n"));
  CHECK_THAT(ended.out, Contains("\n## Tiny\n\n### Beside published figures\n") &&
                            Contains("50.00 ± 500.00 (quoted) | 4 |") &&
                            Contains("Final average (%): finetune >= 0.00: holds\n") &&
                            Catch::EndsWith("\nEnd.\n") && !Contains("Scores"));
  finished().write("r.toml", "[[stream]]\nname = 3\n");
  const Ended bad = lethe_run(finished(), {"report", "--reference", "r.toml"});
  CHECK(bad.code == 2);
  CHECK(bad.err == "error: r.toml:2: 'name' of [[stream]] is not text\n");
}

TEST_CASE("output that cannot be written is an error") {
  const Ended full = lethe_run(finished(), {"report", "-o", "/dev/full", "--format", "md"});
  CHECK(full.code == 2);
  CHECK(full.err ==
        "error: report /dev/full can't be written; check the folder and the space on its disk\n");
  const std::string list = std::string(LETHE_BINARY_DIR) + "/lethe list models > /dev/full 2> ";
  CHECK(WEXITSTATUS(std::system((list + finished().path("err")).c_str())) == 2);
  CHECK(file_bytes(finished().path("err")) ==
        "error: the standard output can't be written: No space left on device; check the space on "
        "its disk\n");
}

TEST_CASE("check passes where the metrics hold") {
  finished().write("good.toml", baseline(final_average(), "finetune < 2"));
  const Ended ended = lethe_run(finished(), {"check", "--baseline", "good.toml"});
  CHECK(ended.code == 0);
  CHECK(ended.out == "1 metrics and 1 relations checked, 0 violations\n");
}

TEST_CASE("check fails with metric, value and baseline, and exit code 1") {
  finished().write("high.toml", baseline(0.9, "finetune > 2"));
  const Ended ended = lethe_run(finished(), {"check", "--baseline", "high.toml"});
  CHECK(ended.code == 1);
  const std::string value = fmt::format("{:.6g}", final_average());
  CHECK(ended.out ==
        "finetune final_average on split validation=2 (model mlp width=8) = " + value +
            " < 0.89 = baseline 0.9 - allowed fall 0.01 (high.toml:2)\n"
            "finetune > 2 does not hold for final_average on split validation=2 (model mlp "
            "width=8): " +
            value +
            " and 2, margin 0 (high.toml:8)\n1 metrics and 1 relations checked, 2 "
            "violations\n");
}

TEST_CASE("check --update writes the measured values, and the rest of the file stays") {
  finished().write("old.toml", baseline(0.9));
  const Ended updated = lethe_run(finished(), {"check", "--baseline", "old.toml", "--update"});
  CHECK(updated.code == 0);
  CHECK(updated.out == "old.toml holds the measured values now; review the diff\n");
  std::string expected = baseline(0.9);
  const std::string old = "0.900000";
  expected.replace(expected.find(old), old.size(), fmt::format("{:.4g}", final_average()));
  CHECK(file_bytes(finished().path("old.toml")) == expected);
  CHECK(lethe_run(finished(), {"check", "--baseline", "old.toml"}).code == 0);
}
