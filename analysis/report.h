// The report: comparisons as text for readers (md, html, tex) and for programs (csv, json). Every
// format is made from the same comparisons through the same two number formatters: rounded with a
// unit for readers, exact for programs. Free of libtorch.
#pragma once

#include <string>
#include <vector>

#include "analysis/comparison.h"
#include "analysis/report_text.h"

namespace lethe {

/// GitHub-flavoured Markdown: tables, samples, notes; figures stand in the HTML report only.
std::string report_markdown(const std::vector<Comparison>& comparisons,
                            const std::vector<MetricDoc>& docs = metric_docs(),
                            const ReportText& words = {});

/// One self-contained page: no script, no external reference, every text escaped, figures as inline
/// SVG. Without gnuplot the page is made all the same and says how to install it.
std::string report_html(const std::vector<Comparison>& comparisons,
                        const std::vector<MetricDoc>& docs = metric_docs(),
                        const ReportText& words = {});

/// RFC 4180, one row per (comparison, method, metric), and where comparisons were held against a
/// reference one for each published figure of them; values in base units (fractions, bytes,
/// seconds, nats) at full precision; an empty field = not measured.
std::string report_csv(const std::vector<Comparison>& comparisons,
                       const std::vector<MetricDoc>& docs = metric_docs());

/// All that the comparisons hold, at full precision in base units; null = not measured.
std::string report_json(const std::vector<Comparison>& comparisons,
                        const std::vector<MetricDoc>& docs = metric_docs());

/// The tables as plain LaTeX tabulars that need no package; to be included in a document.
std::string report_latex(const std::vector<Comparison>& comparisons,
                         const std::vector<MetricDoc>& docs = metric_docs(),
                         const ReportText& words = {});

/// The report in `format`: "md", "html", "csv", "json" or "tex". Throws Error naming the known
/// ones.
std::string report(const std::string& format, const std::vector<Comparison>& comparisons,
                   const std::vector<MetricDoc>& docs = metric_docs(),
                   const ReportText& words = {});

}  // namespace lethe
