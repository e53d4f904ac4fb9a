// From trials to the four formats: every number of one stands in the others.
#include "analysis/report_numbers.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "analysis/report.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

using Row = std::vector<std::string>;
using CsvTable = std::vector<Row>;
using nlohmann::json;

const MetricInfo kLoss = {"loss", "nats", false};

// Three methods, three seeds (ewc lacks one), two tasks of one metric, a probe, memory and time.
std::vector<TrialRecord> all_records() {
  std::vector<TrialRecord> all;
  double drift = 0;
  for (const char* method : {"finetune", "ewc", "a_b|<c>"}) {
    for (const int64_t seed : {1, 2, 3}) {
      if (std::string(method) == "ewc" && seed == 2) continue;
      drift += 1. / 37;
      TrialRecord trial =
          finished(method, seed, {{0, drift / 9}, {.9, .1}, {drift, .8 - drift / 7}});
      trial.result.evaluations.push_back(scored(0, 0, 1.5, kLoss));
      trial.result.evaluations.push_back(scored(2, 0, 2 + 3 * drift, kLoss));
      trial.result.timing = {{"train", 3 + drift, 2 + drift, 1000, 500},
                             {"evaluate", drift, drift / 2, 0, 100}};
      const auto bytes = static_cast<int64_t>(1e7 * (1 + drift));
      trial.result.usage = {{"train", "activations", "host", bytes, bytes},
                            {"train", "method state", "host", bytes / 3, bytes / 4}};
      trial.environment.jobs = 2;
      all.push_back(trial);
    }
  }
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string plain(std::string text) {
  for (const auto& [entity, c] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&#39;", "'"}, {"&quot;", "\""}, {"&amp;", "&"}}) {
    text = replaced(text, entity, c);
  }
  return text;
}

std::vector<CsvTable> markdown_tables(const std::string& text) {
  std::vector<CsvTable> tables;
  bool inside = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool row = !line.empty() && line[0] == '|';
    if (row && !inside) tables.emplace_back();
    inside = row;
    if (!row || line.rfind("| :-", 0) == 0) continue;
    Row cells;
    size_t begin = 2;
    for (size_t end; (end = line.find(" |", begin)) != std::string::npos; begin = end + 3) {
      cells.push_back(plain(replaced(line.substr(begin, end - begin), "\\", "")));
    }
    tables.back().push_back(cells);
  }
  return tables;
}

// The parts of `text` between `open...>` and `close`.
std::vector<std::string> between(const std::string& text, const std::string& open,
                                 const std::string& close) {
  std::vector<std::string> parts;
  for (size_t at = 0; (at = text.find(open, at)) != std::string::npos;) {
    const size_t begin = text.find('>', at) + 1, end = text.find(close, begin);
    parts.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return parts;
}

std::vector<CsvTable> html_tables(const std::string& text) {
  std::vector<CsvTable> tables;
  for (const std::string& table : between(text, "<table", "</table>")) {
    tables.emplace_back();
    for (const std::string& row : between(table, "<tr", "</tr>")) {
      const std::string cells = replaced(replaced(row, "<th ", "<td "), "</th>", "</td>");
      tables.back().emplace_back();
      for (const std::string& cell : between(cells, "<td", "</td>")) {
        tables.back().back().push_back(plain(cell));
      }
    }
  }
  return tables;
}

// The cell of a row label and a column title, in the first table that has both and, for
// differences, no column n.
std::string cell(const std::vector<CsvTable>& tables, const std::string& method,
                 const std::string& title, bool difference) {
  for (const CsvTable& table : tables) {
    const Row& head = table.at(0);
    const auto column = std::find(head.begin(), head.end(), title);
    if (column == head.end() || (head.size() > 1 && head[1] == "n") == difference) continue;
    for (const Row& row : table) {
      if (row[0] == method) return row.at(static_cast<size_t>(column - head.begin()));
    }
  }
  return "absent";
}

Summary summary(const json& cell) {
  const auto number = [](const json& value) {
    return value.is_null() ? std::optional<double>() : value.get<double>();
  };
  return {cell["n"], number(cell["mean"]).value_or(0), number(cell["sd"]),
          number(cell["half_width"])};
}

}  // namespace

TEST_CASE("Markdown and HTML have the same tables, cell by cell", "[report]") {
  const auto comparisons = compare(all_records());
  const auto markdown = markdown_tables(report("md", comparisons));
  const auto html = html_tables(report("html", comparisons));
  REQUIRE(markdown.size() == 19);  // 5 kinds with differences, 3 matrices of tasks, 3 of the
                                   // probe, 2 of memory, definitions
  CHECK(markdown == html);
}

TEST_CASE("the numbers of the JSON, rounded, stand in the tables and nothing else does",
          "[report]") {
  const auto comparisons = compare(all_records());
  const auto tables = markdown_tables(report("md", comparisons));
  const json parsed = json::parse(report("json", comparisons))["comparisons"][0];
  int numbers = 0;
  for (const json& method : parsed["methods"]) {
    for (const json& doc : parsed["metrics"]) {
      const std::string key = doc["key"], unit = doc["unit"], name = method["method"];
      INFO(name << " " << key);
      const std::string in_unit = shown_unit(unit).name;
      const std::string title =
          doc["title"].get<std::string>() + (in_unit.empty() ? "" : " (" + in_unit + ")");
      REQUIRE(method["metrics"].contains(key));
      const json& metric = method["metrics"][key];
      CHECK(cell(tables, name, title, false) == mean_and_interval(summary(metric), unit));
      const json& other = metric["minus_finetune"];
      REQUIRE(other.is_null() == (name == "finetune"));
      if (other.is_null()) continue;
      const std::string shown = cell(tables, name, title, true);
      const Summary difference = summary(other);
      std::string expected = difference_and_interval(difference, unit);
      if (difference.n != method["seeds"]) expected += " (n = 2)";
      const bool left_out = shown == "absent";  // no method differs
      CHECK((left_out ? difference.mean == 0 : shown.rfind(expected, 0) == 0));
      numbers += left_out ? 0 : 1;
    }
  }
  CHECK(numbers > 30);
}

TEST_CASE("CSV holds the numbers of the JSON to the last bit, and the jobs", "[report]") {
  const auto comparisons = compare(all_records());
  const json methods = json::parse(report("json", comparisons))["comparisons"][0]["methods"];
  CHECK(methods[0]["jobs"] == json({2}));
  std::istringstream lines(report("csv", comparisons));
  std::string line;
  std::getline(lines, line);
  int rows = 0;
  for (; std::getline(lines, line); ++rows) {
    Row fields;
    std::istringstream parts(line);
    for (std::string field; std::getline(parts, field, ',');) fields.push_back(field);
    REQUIRE(fields.size() == 17);
    const json& method = methods[fields[5] == "finetune" ? 0 : fields[5] == "ewc" ? 1 : 2];
    CHECK(method["method"] == fields[5]);
    const json& metric = method["metrics"][fields[6]];
    const Summary own = summary(metric);
    CHECK(std::stod(fields[10]) == own.mean);
    CHECK(std::stod(fields[11]) == *own.sd);
    CHECK(std::stod(fields[12]) == *own.half_width);
    CHECK(fields[14].empty() == metric["minus_finetune"].is_null());
    if (!fields[14].empty()) CHECK(std::stod(fields[14]) == summary(metric["minus_finetune"]).mean);
    CHECK(fields[16] == "2\r");
  }
  CHECK(rows == 3 * static_cast<int>(comparisons[0].docs.size()));
}

}  // namespace lethe
