// What a report says of figures, relations and the words around its tables.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "analysis/baseline.h"
#include "analysis/reference.h"
#include "analysis/report.h"
#include "tests/near.h"
#include "tests/reference_case.h"

namespace lethe {
namespace {

const std::string kReference =
    kSources + kStream +
    figure("finetune",
           "published = [{ source = \"paper\", mean = 19, sem = 0.5 },\n"
           "  { source = \"first\", mean = 18, sem = 0.1, seeds = 25 }]\n"
           "measured = { 2 = 19.79, 3 = 19.5 }") +
    figure(
        "ewc",
        "published = [{ source = \"paper\", mean = 20, sem = 0.5 }]\nwhy = \"a | longer tail\"") +
    figure("joint", "published = [{ source = \"paper\", mean = 98.17 }]");

std::vector<Comparison> held() {
  auto comparisons = split_comparisons();
  hold_against(parse_reference(kReference, "r.toml"), comparisons);
  Baseline baseline;
  baseline.relations.resize(2);
  baseline.relations[0] = {"split", {}, "final_average", "joint > {si, ewc}", 0, 1};
  baseline.relations[1] = {"split", {}, "final_average", "finetune > ewc", 0.01, 2};
  add_relations(baseline, comparisons);
  return comparisons;
}

std::string markdown(const ReportText& words = {}) {
  return report_markdown(held(), metric_docs(), words);
}

}  // namespace

TEST_CASE("a method on fewer bits stands beside itself on float, paired by seed", "[report]") {
  const auto comparisons = compare(
      {split_trial("lora", 1, .50), split_trial("lora", 2, .60), split_trial("lora", 3, .70),
       split_trial("qlora", 1, .45), split_trial("qlora", 2, .55), split_trial("qlora", 3, .65),
       split_trial("lora on int8", 2, .61), split_trial("ewc on int8", 1, .9),
       split_trial("lora on tape", 1, .9)});
  const std::string text = report_markdown(comparisons, metric_docs(), {.sections = {"formats"}});
  CHECK(has(text, "### Formats of the base"));
  CHECK(has(text, "| lora | nf4 | -5.00 ± 0.00"));
  CHECK(has(text, "| lora | int8 | +1.00"));  // one seed: no interval
  CHECK_FALSE(has(text, "| ewc |"));          // nothing to stand beside
  CHECK_FALSE(has(text, "tape"));
  CHECK_FALSE(has(markdown(), "Formats of the base"));
}

TEST_CASE("the table beside published figures is exactly this", "[report]") {
  const std::string text = markdown();
  CHECK(has(text,
            "Final average (%) beside A &amp; B 2022. Published: mean ± standard error over its n "
            "seeds.\n\n"
            "| Method | Ours | sd | n | Published | n | Reference code | Difference (sd) | Verdict "
            "| Why |\n"
            "| :-- | --: | --: | --: | --: | --: | --: | --: | :-- | :-- |\n"
            "| finetune | 20.00 | 1.00 | 3 | 19.00 ± 0.50 (unconfirmed) | 4 | 19.79 (seed 2), "
            "19.50 (seed 3) | +1.00 | agrees |  |\n"
            "| ewc | 25.00 | 1.41 | 2 | 20.00 ± 0.50 (unconfirmed) | 4 | - | +5.00 | differs | a "
            "\\| longer tail |\n"
            "| si | 80.00 | - | 1 | - | - | - | - | no figure |  |\n"
            "| joint | 90.00 | - | 1 | 98.17 (unconfirmed) | 4 | - | - | no spread known |  |\n"));
  CHECK(has(text,
            "| finetune | 20.00 | 1.00 | 3 | 18.00 ± 0.10 (quoted) | 25 | +4.00 | differs | "
            "unexplained |\n"));
}

TEST_CASE("the start says how many figures agree, which do not, and what holds", "[report]") {
  const std::string text = markdown();
  CHECK(has(text,
            "| Stream | Source | Figures | Agree | Differ | No spread known | Not measured |\n"
            "| :-- | :-- | --: | --: | --: | --: | --: |\n"
            "| Split, class | A &amp; B 2022 | 3 | 1 | 1 | 1 | 0 |\n"
            "| Split, class | the preprint | 1 | 0 | 1 | 0 | 0 |\n"));
  CHECK(has(text, "- Split, class, ewc, paper: +5.00 sd. a \\| longer tail\n"));
  CHECK(has(text,
            "Relations:\n\n"
            "- Split, class: Final average (%): joint > {si, ewc}: holds\n"
            "- Split, class: Final average (%): finetune > ewc by 1.00: broken\n"));
}

TEST_CASE("every step of a relation has its difference by seed and a verdict", "[report]") {
  const std::string text = markdown();
  CHECK(has(text,
            "Final average (%): joint > {si, ewc}: holds\n\n"
            "| Step | Left | Right | Difference | n | Verdict |\n"
            "| :-- | --: | --: | --: | --: | :-- |\n"
            "| joint > si | 90.00 | 80.00 | +10.00 | 1 | holds, without an interval |\n"
            "| joint > ewc | 90.00 | 25.00 | +66.00 | 1 | holds, without an interval |\n"));
  auto comparisons = split_comparisons();
  Baseline baseline;
  baseline.relations = {{"split", {}, "final_average", "ewc > finetune > 0.1", 0, 1}};
  add_relations(baseline, comparisons);
  const std::string other = report_markdown(comparisons);
  CHECK(has(other,
            "| ewc > finetune | 25.00 | 20.00 | +5.50 ± 6.35 | 2 | holds, but the interval "
            "includes 0 |\n"));
  CHECK(has(other, "| finetune > 10.00 | 20.00 | 10.00 | +10.00 ± 2.48 | 3 | holds |\n"));
  comparisons[0].relations.clear();
  baseline.relations = {{"split", {}, "final_average", "joint > mas", 0, 1},
                        {"split", {}, "final_average", "joint > mas > 0.95 > ewc > joint", 0, 1}};
  add_relations(baseline, comparisons);
  const std::string partly = report_markdown(comparisons);
  CHECK(has(partly, "- split with mlp: Final average (%): joint > mas: not measured\n"));
  CHECK(has(partly, "mas > 95.00 > ewc > joint: broken\n"));
  CHECK(has(partly, "| joint > mas | 90.00 | - | - | 0 | not measured |\n"));
  CHECK(has(text, "| finetune > ewc | 20.00 | 25.00 | -5.50 ± 6.35 | 2 | broken |\n"));
}

TEST_CASE("words, chosen sections and what is missing frame the tables", "[report]") {
  ReportText words;
  words.title = "Reproduction";
  words.introduction = "One\ntext.\n\n    lethe run x.toml\n      --db x.db\n\n- a\n  b\n- c\n";
  words.notes = "## Last\n\nWords & more.";
  words.sections = {"beside"};
  words.not_there = {"r.toml:1: no trial"};
  const std::string text = markdown(words);
  CHECK(text.rfind("# Reproduction\n\nOne text.\n\n```\nlethe run x.toml\n  --db x.db\n```\n\n"
                   "- a b\n- c\n\n## In short\n\n",
                   0) == 0);
  CHECK(has(text, "Asked for, and not in this store:\n\n- r.toml:1: no trial\n\n## Split, class"));
  CHECK(has(text, "### Beside published figures"));
  CHECK_FALSE(has(text, "### Scores"));
  CHECK_FALSE(has(text, "### Relations"));
  CHECK_FALSE(has(text, "Definitions"));
  CHECK(text.substr(text.size() - 30) == "|\n\n## Last\n\nWords &amp; more.\n");
  const std::string page = report_html(held(), metric_docs(), words);
  CHECK(has(page,
            "<h1>Reproduction</h1>\n<p>One text.</p>\n<pre class=\"prompt\">lethe run "
            "x.toml\n  --db x.db</pre>\n"));
  CHECK(has(page, "<td class=\"words\">a | longer tail</td>"));
  CHECK(has(page, "<p>Words &amp; more.</p>"));
  CHECK(has(report_latex(held(), metric_docs(), words),
            "\\begin{verbatim}\nlethe run x.toml\n  --db x.db\n\\end{verbatim}\n"));
}

TEST_CASE("JSON has figures and relations in base units", "[report]") {
  const auto json = nlohmann::json::parse(report_json(held()));
  const auto& comparison = json["comparisons"][0];
  const auto& paper = comparison["references"][0];
  CHECK(paper["source"] == "paper");
  CHECK(paper["metric"] == "final_average");
  const auto& finetune = paper["figures"][0];
  CHECK(finetune["published"]["mean"] == .19);
  CHECK(finetune["published"]["sem"] == .005);
  CHECK(finetune["published"]["sd"] == .01);
  CHECK(finetune["published"]["seeds"] == 4);
  CHECK(finetune["published"]["status"] == "recalled");
  CHECK(finetune["measured"][0]["seed"] == 2);
  CHECK(finetune["measured"][0]["value"] == .1979);
  CHECK(finetune["difference_in_sd"].get<double>() == Approx(1));
  CHECK(finetune["verdict"] == "agrees");
  CHECK(paper["figures"][2]["published"].is_null());
  CHECK(paper["figures"][3]["difference_in_sd"].is_null());
  const auto& relation = comparison["relations"][1];
  CHECK(relation["holds"] == false);
  CHECK(relation["links"][0]["difference"]["mean"].get<double>() == Approx(-.055));
}

TEST_CASE("CSV has a row for each figure of a metric, and its columns only with a reference",
          "[report]") {
  const std::string text = report_csv(held());
  CHECK(has(text,
            ",jobs,source,status,published_mean,published_sem,published_n,measured_seeds,"
            "measured_values,difference_in_sd,difference_in_own_sd,verdict\r\n"));
  CHECK(has(text, "paper,recalled,0.19,0.005,4,2 3,0.1979 0.195,"));
  CHECK(has(text, ",first,quoted,0.18,0.001,25,,,"));
  CHECK(has(text, ",,,,,,,,,no figure\r\n"));
  CHECK_FALSE(has(report_csv(split_comparisons()), "published"));
}

}  // namespace lethe
