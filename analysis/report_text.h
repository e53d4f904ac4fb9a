// The words around a report's tables, and which of its sections it has. Free of libtorch.
#pragma once

#include <string>
#include <vector>

#include "analysis/report_document.h"

namespace lethe {

struct ReportText {
  std::string title = "Lethe report";
  std::string introduction, notes;     ///< before and after the comparisons, see prose()
  std::vector<std::string> sections;   ///< of section_names(); empty = all
  std::vector<std::string> not_there;  ///< what was asked for and no comparison has
};

/// "run", "notes", "beside", "relations", "scores", "formats", "figures", "matrices", "transfer",
/// "base", "memory", "time", "samples" and "definitions", in the order of a report.
const std::vector<std::string>& section_names();

/// Whether a section is among the `wanted` ones, which are all where there are none.
bool is_wanted(const std::string& section, const std::vector<std::string>& wanted);

/// Text as blocks. Paragraphs are parted by empty lines. One whose lines begin with "- ", or with
/// two blanks to continue an item, is a list; one whose lines all begin with four blanks is code;
/// "## Title" alone is a heading. There is no other markup.
Blocks prose(const std::string& text);

/// What stands before the comparisons: introduction, how they agree with references and relations
/// where they were held against any, and what was not there.
Blocks opening(const std::vector<Comparison>& comparisons, const ReportText& words);

/// What stands after them: notes and definitions.
Blocks closing(const std::vector<Comparison>& comparisons, const std::vector<MetricDoc>& docs,
               const ReportText& words);

}  // namespace lethe
