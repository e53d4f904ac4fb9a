// The report's tables as LaTeX, to be included in a document; figures and samples stand in the
// HTML.
#include <fmt/format.h>

#include "analysis/report.h"
#include "analysis/report_document.h"
#include "analysis/report_escape.h"

namespace lethe {
namespace {

const char* mark(Verdict verdict) {
  if (verdict == Verdict::none) return "";
  return verdict == Verdict::better ? " ▲" : " ▼";
}

std::string join(const std::vector<std::string>& cells) {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : " & ") + cells[i];
  return text + " \\\\\n";
}

struct LatexBlock {
  std::string operator()(const Heading& heading) const {
    return fmt::format("\\{}section*{{{}}}\n", heading.level == 2 ? "" : "sub",
                       escape_latex(heading.text));
  }
  std::string operator()(const Paragraph& paragraph) const {
    return escape_latex(paragraph.text) + "\n\n";
  }
  std::string operator()(const Bullets& bullets) const {
    std::string text = "\\begin{itemize}\n";
    for (const std::string& item : bullets.items) text += "\\item {}" + escape_latex(item) + "\n";
    return text + "\\end{itemize}\n";
  }
  std::string operator()(const Code& code) const {
    return "\\begin{verbatim}\n" + code.text + "\n\\end{verbatim}\n";
  }
  std::string operator()(const Facts& facts) const {
    std::string text = "\\begin{itemize}\n";
    for (const auto& [name, value] : facts.pairs) {
      text += "\\item {}" + escape_latex(name) + ": " + escape_latex(value) + "\n";
    }
    return text + "\\end{itemize}\n";
  }
  std::string operator()(const Table& table) const {
    std::string columns, body;
    std::vector<std::string> head;
    for (size_t i = 0; i < table.head.size(); ++i) {
      // A definition breaks into lines, and so does a reason.
      const bool long_text = table.prose ? i == 4 : table.texts > 1 && i + 1 == table.head.size();
      columns += long_text ? "p{0.4\\linewidth}" : table.is_text(i) ? "l" : "r";
      head.push_back(escape_latex(table.head[i]));
    }
    for (const auto& row : table.rows) {
      std::vector<std::string> cells;
      for (const TableCell& cell : row)
        cells.push_back(escape_latex(cell.text + mark(cell.verdict)));
      body += join(cells);
    }
    const std::string caption = table.caption.empty() ? "" : escape_latex(table.caption) + "\n\n";
    return fmt::format(
        "{}\\begin{{tabular}}{{{}}}\n\\hline\n{}\\hline\n{}\\hline\n\\end{{tabular}}\n\n", caption,
        columns, join(head), body);
  }
  std::string operator()(const HeatMaps& maps) const {
    std::string text;
    for (const Table& table : maps.tables) text += (*this)(table);
    return text;
  }
  std::string operator()(const Panels&) const { return ""; }
  std::string operator()(const SampleBlock&) const { return ""; }
};

std::string all(const Blocks& blocks) {
  std::string text;
  for (const Block& block : blocks) text += std::visit(LatexBlock{}, block);
  return text;
}

}  // namespace

std::string report_latex(const std::vector<Comparison>& comparisons,
                         const std::vector<MetricDoc>& docs, const ReportText& words) {
  std::string text =
      "% Made by lethe report; needs no package.\n" + all(opening(comparisons, words));
  for (const Comparison& comparison : comparisons) {
    text += "\\section*{" + escape_latex(comparison.title) + "}\n";
    text += all(sections(comparison, docs, false, words.sections));
  }
  return text + all(closing(comparisons, docs, words));
}

}  // namespace lethe
