// The report as GitHub-flavoured Markdown.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/report.h"
#include "analysis/report_document.h"
#include "analysis/report_escape.h"

namespace lethe {
namespace {

const char* verdict_mark(Verdict verdict) {
  if (verdict == Verdict::none) return "";
  return verdict == Verdict::better ? " ▲" : " ▼";
}

// Longer than any run of backticks inside, so that the text cannot end its own block.
std::string fenced(const std::string& text, const char* language = "text") {
  size_t longest = 2, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + language + "\n" + text + "\n" + fence + "\n\n";
}

std::string pipe_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

struct MarkdownBlock {
  std::string operator()(const Heading& heading) const {
    return std::string(static_cast<size_t>(heading.level), '#') + " " +
           escape_markdown(heading.text) + "\n\n";
  }
  std::string operator()(const Paragraph& paragraph) const {
    return escape_markdown(paragraph.text) + "\n\n";
  }
  std::string operator()(const Bullets& bullets) const {
    std::string text;
    for (const std::string& item : bullets.items) text += "- " + escape_markdown(item) + "\n";
    return text + "\n";
  }
  std::string operator()(const Code& code) const { return fenced(code.text, ""); }
  std::string operator()(const Facts& facts) const {
    std::string text;
    for (const auto& [name, value] : facts.pairs) {
      text += "- " + escape_markdown(name) + ": " + escape_markdown(value) + "\n";
    }
    return text + "\n";
  }
  std::string operator()(const Table& table) const {
    std::string text = table.caption.empty() ? "" : escape_markdown(table.caption) + "\n\n";
    std::vector<std::string> head, rule;
    for (size_t i = 0; i < table.head.size(); ++i) {
      head.push_back(escape_markdown(table.head[i]));
      rule.emplace_back(table.is_text(i) ? ":--" : "--:");
    }
    text += pipe_row(head) + pipe_row(rule);
    for (const auto& row : table.rows) {
      std::vector<std::string> cells;
      for (const TableCell& cell : row)
        cells.push_back(escape_markdown(cell.text) + verdict_mark(cell.verdict));
      text += pipe_row(cells);
    }
    return text + "\n";
  }
  std::string operator()(const HeatMaps& maps) const {
    std::string text;
    for (const Table& table : maps.tables) text += (*this)(table);
    return text;
  }
  std::string operator()(const Panels&) const { return ""; }  // figures stand in the HTML report
  std::string operator()(const SampleBlock& block) const {
    std::string text =
        fmt::format("#### Samples of {}, seed {}\n\n", escape_markdown(block.method), block.seed);
    for (const SampleHistory& history : block.histories) {
      text += escape_markdown(sample_title(block, history)) + "\n\n" + fenced(history.prompt);
      Table table{.head = {"Stage", "Right", "Text"}, .labels = 3};
      table.rows.push_back({{"expected"}, {""}, {history.expected}});
      for (const SampleStage& stage : history.stages) {
        table.rows.push_back({{stage_name(stage.after_task, block.tasks)},
                              {stage.right ? "✓" : "✗"},
                              {stage.generated}});
      }
      text += (*this)(table);
    }
    return text;
  }
};

std::string all_text(const Blocks& blocks) {
  std::string text;
  for (const Block& block : blocks) text += std::visit(MarkdownBlock{}, block);
  return text;
}

}  // namespace

std::string report_markdown(const std::vector<Comparison>& comparisons,
                            const std::vector<MetricDoc>& docs, const ReportText& words) {
  std::string text = "# " + escape_markdown(words.title) + "\n\n";
  if (comparisons.empty()) return text + "The store holds no trial that this report could show.\n";
  text += all_text(opening(comparisons, words));
  for (const Comparison& comparison : comparisons) {
    text += "## " + escape_markdown(comparison.title) + "\n\n";
    text += all_text(sections(comparison, docs, false, words.sections));
  }
  text += all_text(closing(comparisons, docs, words));
  text.pop_back();
  return text;
}

}  // namespace lethe
