// Which candidate is chosen, and the lines that say why.
#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/metric_table.h"
#include "core/error.h"
#include "experiments/tune.h"

namespace lethe {
namespace {

using Records = std::vector<const TrialRecord*>;

std::vector<std::string> keys_like(const std::string& objective,
                                   const std::vector<MetricDoc>& docs) {
  std::vector<std::string> keys;
  for (const MetricDoc& doc : docs) {
    if (doc.key.rfind(objective + ":", 0) == 0) keys.push_back(doc.key);
  }
  return keys;
}

/// Fills scores, reasons and the direction from the trials of one choice, candidate by candidate.
void score(Choice& choice, const Records& records, const std::string& objective) {
  Records done;
  for (const TrialRecord* record : records) {
    if (record != nullptr && record->status == "done") done.push_back(record);
  }
  const MeasuredIn measured = measured_in(done);
  const auto docs = docs_for(measured);
  const auto doc = std::find_if(docs.begin(), docs.end(),
                                [&](const MetricDoc& one) { return one.key == objective; });
  if (doc != docs.end()) choice.higher_is_better = doc->higher_is_better;
  for (size_t i = 0; i < records.size(); ++i) {
    Tried& tried = choice.tried[i];
    if (records[i] == nullptr) {
      tried.why = "the trial did not run";
      continue;
    }
    tried.digest = records[i]->digest;
    if (records[i]->status != "done") {
      tried.why = records[i]->status + (records[i]->error.empty() ? "" : ": " + records[i]->error);
      continue;
    }
    const auto numbers = numbers_of(records[i]->result, measured);
    const auto number = numbers.find(objective);
    if (number != numbers.end() && std::isfinite(number->second)) {
      tried.score = number->second;
      continue;
    }
    const auto others = keys_like(objective, docs);
    tried.why = others.empty() ? fmt::format("the trial has no {}, or it is no number", objective)
                               : fmt::format("the tasks differ in metric; choose by {}",
                                             fmt::join(others, " or "));
  }
}

std::optional<size_t> best_of(const std::vector<Tried>& tried, bool higher_is_better) {
  std::optional<size_t> best;
  for (size_t i = 0; i < tried.size(); ++i) {
    if (!tried[i].score) continue;
    const auto better = [&](double a, double b) { return higher_is_better ? a > b : a < b; };
    if (!best || better(*tried[i].score, *tried[*best].score)) best = i;
  }
  return best;
}

/// Errors may have line breaks; a comment must not.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

std::vector<Choice> choices_of(const TunePlan& plan, const std::vector<TrialRecord>& records) {
  std::map<std::string, const TrialRecord*> by_text;
  for (const TrialRecord& record : records) by_text[record.key.text] = &record;
  std::map<size_t, std::vector<Choice>> by_method;
  std::map<size_t, std::vector<Records>> found;
  for (const TuneTrial& one : plan.trials) {
    auto& choices = by_method[one.method];
    const auto same = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) {
      return choice.stream == one.stream;
    });
    const auto at = static_cast<size_t>(same - choices.begin());
    if (same == choices.end()) {
      const SweepMethod& method = plan.sweep.methods[one.method];
      Choice choice;
      choice.method = one.method;
      choice.label =
          method.shown() + " | " + one.trial.stream_label + " | " + one.trial.model_label;
      choice.stream = one.stream;
      choices.push_back(std::move(choice));
      found[one.method].emplace_back();
    }
    choices[at].tried.push_back({one.values, "", std::nullopt, ""});
    const auto record = by_text.find(canonical_text(one.trial.spec));
    found[one.method][at].push_back(record == by_text.end() ? nullptr : record->second);
  }
  std::vector<Choice> all;
  for (auto& [method, choices] : by_method) {
    for (size_t i = 0; i < choices.size(); ++i) {
      score(choices[i], found[method][i], plan.settings.objective);
      choices[i].best = best_of(choices[i].tried, choices[i].higher_is_better);
      all.push_back(std::move(choices[i]));
    }
  }
  return all;
}

std::vector<std::string> lines_of(const Choice& choice, const TuneSettings& settings) {
  std::vector<std::vector<std::string>> rows(1);
  for (const auto& [key, value] : choice.tried.at(0).values) rows[0].push_back(key);
  rows[0].push_back(settings.objective);
  rows[0].emplace_back("trial");
  for (const Tried& tried : choice.tried) {
    auto& row = rows.emplace_back();
    for (const auto& [key, value] : tried.values) row.push_back(value);
    row.push_back(tried.score ? fmt::format("{:.6g}", *tried.score) : "-");
    row.push_back(tried.digest + (tried.score ? "" : " not chosen: " + tried.why));
  }
  std::vector<std::string> lines = {
      fmt::format("{}: {} candidates, {} search, seed {}, by {} ({} is better)", choice.label,
                  choice.tried.size(), settings.search, settings.seed, settings.objective,
                  choice.higher_is_better ? "higher" : "lower")};
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string line = choice.best && i == *choice.best + 1 ? "* " : "  ";
    for (size_t column = 0; column < rows[i].size(); ++column) {
      size_t width = 0;
      for (const auto& row : rows) width = std::max(width, row[column].size());
      const bool last = column + 1 == rows[i].size();
      line += last ? rows[i][column] : fmt::format("{:<{}}  ", rows[i][column], width);
    }
    lines.push_back(line);
  }
  for (std::string& line : lines) line = one_line(line);
  return lines;
}

}  // namespace lethe
