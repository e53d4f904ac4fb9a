// The report as one HTML page: frame, contents and style. The blocks are in report_html_blocks.cc.
#include <fmt/format.h>

#include "analysis/report.h"
#include "analysis/report_escape.h"
#include "analysis/report_html_blocks.h"

namespace lethe {
namespace {

std::string contents(const std::vector<Comparison>& comparisons, bool definitions) {
  if (comparisons.size() < 2) return "";
  std::string text = "<nav aria-label=\"Contents\"><h2>Contents</h2><ol>\n";
  for (size_t i = 0; i < comparisons.size(); ++i) {
    text +=
        fmt::format("<li><a href=\"#c{}\">{}</a></li>\n", i + 1, escape_html(comparisons[i].title));
  }
  if (definitions) text += "<li><a href=\"#definitions\">Definitions</a></li>\n";
  return text + "</ol></nav>\n";
}

}  // namespace

std::string report_html(const std::vector<Comparison>& comparisons,
                        const std::vector<MetricDoc>& docs, const ReportText& words) {
  const std::string title = escape_html(words.title);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>" +
      title + "</title>\n<style>\n";
  page += html_style();
  page += "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n";
  if (comparisons.empty()) {
    page += "<p>The store holds no trial that this report could show.</p>\n";
  }
  HtmlBlocks html;
  if (!comparisons.empty()) page += html.all(opening(comparisons, words));
  page += contents(comparisons, is_wanted("definitions", words.sections));
  for (size_t i = 0; i < comparisons.size(); ++i) {
    page += fmt::format("<section id=\"c{}\">\n<h2>{}</h2>\n", i + 1,
                        escape_html(comparisons[i].title));
    page += html.all(sections(comparisons[i], docs, true, words.sections));
    page += "</section>\n";
  }
  if (!comparisons.empty()) {
    page += "<section id=\"definitions\">\n" + html.all(closing(comparisons, docs, words)) +
            "</section>\n";
  }
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace lethe
