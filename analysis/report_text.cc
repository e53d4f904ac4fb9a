#include "analysis/report_text.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "analysis/report_findings.h"

namespace lethe {
namespace {

using Lines = std::vector<std::string>;

void append(Blocks& to, Blocks from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

bool all_start(const Lines& lines, const std::string& prefix) {
  return std::all_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.starts_with(prefix); });
}

std::string joined(const Lines& lines, const std::string& by) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : by) + line;
  return text;
}

// A line that continues an item is indented by two blanks.
Bullets bullets_of(const Lines& lines) {
  Bullets bullets;
  for (const std::string& line : lines) {
    if (line.starts_with("- ")) {
      bullets.items.push_back(line.substr(2));
    } else {
      bullets.items.back() += line.substr(1);
    }
  }
  return bullets;
}

bool is_list(const Lines& lines) {
  return lines[0].starts_with("- ") &&
         std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
           return line.starts_with("- ") || line.starts_with("  ");
         });
}

Block block_of(Lines lines) {
  if (lines.size() == 1 && lines[0].starts_with("## ")) return Heading{2, lines[0].substr(3)};
  if (is_list(lines)) return bullets_of(lines);
  if (!all_start(lines, "    ")) return Paragraph{joined(lines, " ")};
  for (std::string& line : lines) line.erase(0, 4);
  return Code{joined(lines, "\n")};
}

}  // namespace

const std::vector<std::string>& section_names() {
  static const std::vector<std::string> names = {
      "run",      "notes",    "beside", "relations", "scores", "formats", "figures",
      "matrices", "transfer", "base",   "memory",    "time",   "samples", "definitions"};
  return names;
}

bool is_wanted(const std::string& section, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), section) != wanted.end();
}

Blocks prose(const std::string& text) {
  Blocks blocks;
  Lines paragraph;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) {
      paragraph.push_back(line);
    } else if (!paragraph.empty()) {
      blocks.push_back(block_of(std::move(paragraph)));
      paragraph.clear();
    }
  }
  if (!paragraph.empty()) blocks.push_back(block_of(std::move(paragraph)));
  return blocks;
}

Blocks opening(const std::vector<Comparison>& comparisons, const ReportText& words) {
  Blocks blocks = prose(words.introduction);
  append(blocks, findings_summary(comparisons));
  if (words.not_there.empty()) return blocks;
  blocks.emplace_back(Paragraph{"Asked for, and not in this store:"});
  blocks.emplace_back(Bullets{words.not_there});
  return blocks;
}

Blocks closing(const std::vector<Comparison>& comparisons, const std::vector<MetricDoc>& docs,
               const ReportText& words) {
  Blocks blocks = prose(words.notes);
  if (is_wanted("definitions", words.sections)) append(blocks, definitions(comparisons, docs));
  return blocks;
}

}  // namespace lethe
