#include "analysis/report.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/report_document.h"
#include "analysis/report_escape.h"
#include "analysis/report_html_blocks.h"
#include "analysis/report_numbers.h"
#include "core/error.h"
#include "tests/near.h"

namespace lethe {
namespace {

constexpr int64_t kMiB = 1 << 20;
const std::string kHostile = "<script>alert(1)</script>&\"'";

const std::vector<MetricDoc>& docs() {
  static const std::vector<MetricDoc> list = {
      {"final_average", "Final average", "fraction", "mean of the last row", "arXiv:1706.08840",
       true},
      {"forgetting", "Forgetting", "fraction", "best minus last", "arXiv:1801.10112", false},
      {"peak_memory_bytes", "Peak memory", "bytes", "largest total", "", false},
      {"wall_seconds_train", "Training time", "seconds", "wall time", "", false},
  };
  return list;
}

MeanMatrix matrix(std::optional<double> last) {
  MeanMatrix m{
      .metric = "accuracy", .unit = "fraction", .tasks = {"a", "b"}, .rows = {}, .cells = {}};
  m.rows[0] = {0.1, std::nullopt};
  m.rows[1] = {0.9, 0.2};
  m.rows[2] = {last, 0.8};
  return m;
}

MethodRow method(const std::string& label, int64_t failed) {
  MethodRow row;
  row.label = label;
  row.seeds = 2;
  row.failed = failed;
  row.jobs = {2};
  return row;
}

Comparison small() {
  Comparison c;
  c.title = "tiny";
  c.stream = "two tasks";
  c.model = "mlp";
  c.build = "abc123";
  c.device_class = "cpu";
  c.environment.cpu = "some processor";
  MethodRow finetune = method("finetune", 0);
  finetune.metrics["final_average"] = {{2, 0.5, 0.01, 0.09}, std::nullopt};
  finetune.metrics["forgetting"] = {{2, 0.6, 0.02, 0.18}, std::nullopt};
  finetune.metrics["peak_memory_bytes"] = {{2, 3.0 * kMiB, 0.0, 0.0}, std::nullopt};
  finetune.metrics["wall_seconds_train"] = {{2, 1.5, 0.1, 0.9}, std::nullopt};
  finetune.matrices = {matrix(0.3)};
  finetune.usage = {{"train", "gradients", "host", 5 * kMiB, 2 * kMiB},
                    {"train", "method state", "host", 1 * kMiB, 1 * kMiB},
                    {"evaluate", "gradients", "host", 1 * kMiB, 1 * kMiB},
                    {"evaluate", "process peak RSS", "host", 64 * kMiB, 0}};
  MethodRow ewc = method("ewc", 1);
  ewc.metrics["final_average"] = {{2, 0.75, 0.01, 0.09}, Summary{2, 0.25, 0.01, 0.09}};
  ewc.metrics["forgetting"] = {{1, 0.25, std::nullopt, std::nullopt}, Summary{1, -0.35, {}, {}}};
  ewc.metrics["wall_seconds_train"] = {{2, 3.0, 0.1, 0.9}, Summary{2, 1.5, 0.1, 0.8}};
  ewc.matrices = {matrix(0.7)};
  ewc.errors = {"seed 3: loss is NaN at step 7"};
  c.methods = {finetune, ewc};
  c.notes = {"ewc: seed 3 failed"};
  return c;
}

// RFC 4180, read back: records of fields.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> fields = {""};
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      fields.emplace_back();
    } else if (!quoted && c == '\r') {
      records.push_back(fields);
      fields = {""};
      ++i;
    } else {
      fields.back() += c;
    }
  }
  return records;
}

TEST_CASE("an unknown report format names the known ones", "[report]") {
  CHECK_THROWS_WITH(report("pdf", {}, docs()),
                    "unknown report format 'pdf'; known formats: md, html, csv, json, tex");
}

TEST_CASE("numbers are rounded with units for readers and exact for programs", "[report]") {
  CHECK(rounded(0.8125, "fraction") == "81.25");
  CHECK(rounded(-0.00001, "fraction") == "0.00");
  CHECK(rounded(1.5 * kMiB, "bytes") == "1.50");
  CHECK(rounded(1.23456, "nats") == "1.235");
  CHECK(rounded(1234.0, "count") == "1234");
  CHECK(rounded(std::nan(""), "fraction") == "-");
  CHECK(rounded_signed(0.032, "fraction") == "+3.20");
  CHECK(mean_and_interval({3, 0.74, 0.04, 0.0993661}, "fraction") == "74.00 ± 9.94");
  CHECK(mean_and_interval({1, 0.74, {}, {}}, "fraction") == "74.00");
  CHECK(mean_and_interval({}, "fraction") == "-");
  CHECK(exact(0.1) == "0.1");
  CHECK(exact(std::numeric_limits<double>::infinity()).empty());
}

TEST_CASE("an interval excludes 0 only where it is known and smaller than the mean", "[report]") {
  CHECK(excludes_zero({3, -0.2, 0.1, 0.19}));
  CHECK_FALSE(excludes_zero({3, -0.2, 0.1, 0.2}));
  CHECK_FALSE(excludes_zero({1, -0.2, {}, {}}));
}

TEST_CASE("the Markdown tables of a small comparison are exactly these", "[report]") {
  const std::string text = report_markdown({small()}, docs());
  CHECK(has(text,
            "### Scores\n\n"
            "Forgets least: ewc, 25.00 %; most: finetune, 60.00 ± 18.00 %.\n\n"
            "Mean over n seeds ± half width of the 95 % Student-t interval.\n\n"
            "| Method | n | failed | Final average (%) | Forgetting (%) |\n"
            "| :-- | :-- | :-- | --: | --: |\n"
            "| finetune | 2 | 0 | 50.00 ± 9.00 | 60.00 ± 18.00 |\n"
            "| ewc | 2 | 1 | 75.00 ± 9.00 | 25.00 (n = 1) |\n\n"
            "Difference to finetune, paired by seed. ▲ better, ▼ worse: the interval excludes 0. "
            "Metrics in which no method differs are left out.\n\n"
            "| Method | Final average (%) | Forgetting (%) |\n"
            "| :-- | --: | --: |\n"
            "| ewc | +25.00 ± 9.00 ▲ | -35.00 (n = 1) |\n"));
  CHECK(has(text,
            "| Score on | a | b |\n"
            "| :-- | --: | --: |\n"
            "| before | 10.00 | - |\n"
            "| after task 1 (a) | 90.00 | 20.00 |\n"
            "| after task 2 (b) | 30.00 | 80.00 |\n"));
  CHECK(has(text, "| ewc | +1.50 ± 0.80 ▼ |\n"));
  CHECK(
      has(text,
          "Per trial, mean ± half width over seeds; 1 thread a trial, and as many trials at a time "
          "as there were jobs. Times compare where the jobs are equal.\n\n"
          "| Method | n | failed | Jobs | Training time (s) |\n"
          "| :-- | :-- | :-- | :-- | --: |\n"
          "| finetune | 2 | 0 | 2 | 1.50 ± 0.90 |\n"));
  CHECK(has(text, "- ewc: seed 3 failed\n- ewc: seed 3: loss is NaN at step 7\n\n"));
  CHECK(
      has(text, "| Forgetting | forgetting | % | lower | best minus last | arXiv:1801.10112 |\n"));
}

TEST_CASE("an error that a note already tells is not told twice", "[report]") {
  Comparison c = small();
  c.notes = {"ewc: seed 3 failed: loss is NaN at step 7"};
  CHECK(has(report_markdown({c}, docs()),
            "### Notes\n\n- ewc: seed 3 failed: loss is NaN at step 7\n\n###"));
}

TEST_CASE("memory at the peak adds up and stands beside the process's own", "[report]") {
  const std::string text = report_markdown({small()}, docs());
  CHECK(has(text,
            "| Method | Device | Phase | Peak | gradients | method state |\n"
            "| :-- | :-- | :-- | --: | --: | --: |\n"
            "| finetune | host | train | 3.00 | 2.00 | 1.00 |\n"));
  CHECK(has(text,
            "| Method | Device | train | evaluate | method state (own peak) | process peak RSS |\n"
            "| :-- | :-- | --: | --: | --: | --: |\n"
            "| finetune | host | 3.00 | 1.00 | 1.00 | 64.00 |\n"));
}

TEST_CASE("CSV and JSON hold the same exact numbers, Markdown and HTML their roundings",
          "[report]") {
  Comparison c = small();
  c.methods[1].metrics["final_average"].over_seeds.mean = 2.0 / 3;
  const auto json = nlohmann::json::parse(report_json({c}, docs()));
  const auto records = parse_csv(report_csv({c}, docs()));
  REQUIRE(records.size() == 8);
  CHECK(records[0][6] == "metric");
  const auto field = [](const nlohmann::json& value) {
    return value.is_null() ? "" : exact(value.get<double>());
  };
  for (size_t i = 1; i < records.size(); ++i) {
    const auto& method = json["comparisons"][0]["methods"][records[i][5] == "ewc" ? 1 : 0];
    const auto& cell = method["metrics"][records[i][6]];
    CHECK(records[i][9] == std::to_string(cell["n"].get<int64_t>()));
    CHECK(records[i][10] == field(cell["mean"]));
    CHECK(records[i][11] == field(cell["sd"]));
    CHECK(records[i][12] == field(cell["half_width"]));
    const auto& difference = cell["minus_finetune"];
    CHECK(records[i][14] == (difference.is_null() ? "" : field(difference["mean"])));
    CHECK(records[i][15] == (difference.is_null() ? "" : field(difference["half_width"])));
    const std::string shown = rounded(std::stod(records[i][10]), records[i][7]);
    CHECK(has(report_markdown({c}, docs()), "| " + shown));
    CHECK(has(report_html({c}, docs()), "<td>" + shown));
  }
  CHECK(json["comparisons"][0]["methods"][1]["metrics"]["final_average"]["mean"] == 2.0 / 3);
}

TEST_CASE("what was not measured is null in JSON and empty in CSV, never NaN", "[report]") {
  Comparison c = small();
  c.methods[1].metrics["final_average"].over_seeds = {1, std::nan(""), {}, {}};
  const std::string text = report_json({c}, docs());
  CHECK_FALSE(has(text, "NaN\""));
  const auto json = nlohmann::json::parse(text);
  const auto& ewc = json["comparisons"][0]["methods"][1];
  CHECK(ewc["metrics"]["final_average"]["mean"].is_null());
  CHECK(ewc["metrics"]["forgetting"]["sd"].is_null());
  CHECK(ewc["matrices"][0]["rows"][0]["scores"] == nlohmann::json({0.1, nullptr}));
  CHECK(has(report_csv({c}, docs()), ",ewc,final_average,fraction,higher,1,,,,2,0.25,0.09,2\r\n"));
}

TEST_CASE("a hostile label is text in every format", "[report]") {
  Comparison c = small();
  c.title = c.stream = c.methods[0].label = c.methods[0].matrices[0].tasks[0] = kHostile;
  c.methods[0].samples = {{0, 1, 0, kHostile, kHostile, kHostile}};
  c.notes = {kHostile};
  const std::string html = report_html({c, c}, docs());
  CHECK_FALSE(has(html, "<script"));
  CHECK(has(html, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"));
  CHECK_FALSE(has(report_markdown({c}, docs()), "\n| <script"));
  CHECK(has(report_csv({c}, docs()), ",\"<script>alert(1)</script>&\"\"'\","));
  CHECK(nlohmann::json::parse(report_json({c}, docs()))["comparisons"][0]["title"] == kHostile);
  CHECK(escape_markdown("a|b\nexact_match *_") == "a\\|b⏎exact_match \\*\\_");
  CHECK(escape_latex("50 % of a_b & {c} ± 1") == "50 \\% of a\\_b \\& \\{c\\} $\\pm$ 1");
  CHECK(escape_csv("plain") == "plain");
}

TEST_CASE("the page refers to nothing outside itself", "[report]") {
  Comparison c = small();
  std::string html = report_html({c, c}, docs());
  for (const std::string known :
       {"xmlns=\"http://www.w3.org/2000/svg\"", "xmlns:xlink=\"http://www.w3.org/1999/xlink\""}) {
    for (size_t at; (at = html.find(known)) != std::string::npos;) html.erase(at, known.size());
  }
  for (const char* outside :
       {"http://", "https://", "<script", "<link", "@import", "src=", "onload"}) {
    INFO(outside);
    CHECK_FALSE(has(html, outside));
  }
  CHECK(has(html, "<a href=\"#c2\">tiny</a>"));
  CHECK(has(html, "<section id=\"c2\">"));
  CHECK_FALSE(has(report_html({c}, docs()), "Contents"));
}

TEST_CASE("heat map cells carry their number in a colour with readable contrast", "[report]") {
  CHECK(shade_style(0) == "background:#f7fbff;color:#000");
  CHECK(shade_style(0.5) == "background:#6baed6;color:#000");
  CHECK(shade_style(1) == "background:#08306b;color:#fff");
  CHECK(has(report_html({small()}, docs()), "<td style=\"" + shade_style(0.9) + "\">90.00</td>"));
}

TEST_CASE("a sample's block in Markdown cannot be ended by its text", "[report]") {
  Comparison c = small();
  c.methods[0].samples = {{0, 1, 3, "say ```", "yes", "no|<b>"},
                          {1, 1, 3, "say ```", "yes", "yes"}};
  CHECK(has(report_markdown({c}, docs()),
            "Task 1 (a), row 3: wrong before, right after learning, not lost\n\n"
            "````text\nsay ```\n````\n\n"
            "| Stage | Right | Text |\n| :-- | :-- | :-- |\n| expected |  | yes |\n"
            "| before | ✗ | no\\|&lt;b> |\n| after task 1 (a) | ✓ | yes |\n"));
}

TEST_CASE("an empty store still makes a report in every format", "[report]") {
  CHECK(has(report("html", {}, docs()), "The store holds no trial that this report could show."));
  CHECK(report("md", {}, docs()) ==
        "# Lethe report\n\nThe store holds no trial that this report could show.\n");
  CHECK(parse_csv(report("csv", {}, docs())).size() == 1);
  CHECK(nlohmann::json::parse(report("json", {}, docs()))["comparisons"].empty());
}

TEST_CASE("the LaTeX tables need no package and are escaped", "[report]") {
  const std::string text = report("tex", {small()}, docs());
  CHECK(has(text,
            "\\begin{tabular}{lrr}\n\\hline\nMethod & Final average (\\%) & Forgetting (\\%) \\\\\n"
            "\\hline\newc & +25.00 $\\pm$ 9.00 $\\triangle$ & -35.00 (n = 1) \\\\\n\\hline\n"));
}

}  // namespace
}  // namespace lethe
