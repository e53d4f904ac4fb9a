// Figures from papers and from other programs that a report puts beside its own, in a TOML file
// that can be reviewed. Figures are in the units that a report shows: percent for fractions.
//
//   title = "Reproduction"                 # optional: the words around the tables, see ReportText
//   introduction = """..."""
//   notes = """..."""
//   sections = ["run", "beside"]           # optional: only these sections of each comparison
//   code = "the authors' code"             # what `measured` figures were measured with
//
//   [[source]]
//   key = "nmi"
//   cite = "van de Ven et al. 2022, Nature MI 4:1185"
//   status = "recalled"                    # confirmed, recalled or quoted
//   seeds = 20                             # optional, where its figures do not say it
//
//   [[stream]]
//   name = "split"
//   when.scenario = "class"                # options of the stream, defaults included
//   title = "Split MNIST, class"           # optional
//   model = "mlp"                          # optional
//   metric = "final_average"               # optional, where its figures do not say it
//
//   [[stream.figure]]
//   method = "finetune"                    # the label in the report
//   published = [{ source = "nmi", mean = 19.89, sem = 0.02 }]  # also seeds, status, why
//   measured = { 2 = 19.79 }               # by seed
//   why = "said where the figures differ"
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/comparison.h"
#include "analysis/report_text.h"

namespace lethe {

struct ReferenceSource {
  std::string key, cite;
  FigureStatus status = FigureStatus::confirmed;
  std::optional<int64_t> seeds;
};

struct SourcedFigure {
  std::string source;
  PublishedFigure figure;  ///< in shown units
  std::string why;
};

struct ReferenceFigure {
  std::string method, metric, why;
  std::vector<SourcedFigure> published;
  std::vector<std::pair<int64_t, double>> measured;  ///< seed and value, in shown units
  int64_t line = 0;
};

struct ReferenceStream {
  std::string name, title;
  std::optional<std::string> model;
  OptionMap when;
  std::vector<ReferenceFigure> figures;
  int64_t line = 0;
};

struct Reference {
  std::string path, code;
  ReportText text;
  std::vector<ReferenceSource> sources;
  std::vector<ReferenceStream> streams;
};

/// Reads and checks a file. Throws Error with FILE:LINE for bad TOML, an unknown or missing key, a
/// value of the wrong type, an unknown metric, status, section or source, a source named twice, a
/// figure that stands there twice, and a figure without any value.
Reference read_reference(const std::string& path);

/// The same from text; `path` is for messages.
Reference parse_reference(const std::string& text, const std::string& path);

/// Puts the figures into the comparisons that they are about, for a report: for each stream a table
/// for each source and metric, in the order of the file, methods in the order of the comparison.
/// The first table of a metric also has the methods without a figure and the values measured with
/// the reference code. Trials of a search are left out. A comparison that alone is about a stream
/// gets its title. Returns a line with FILE:LINE for each stream of the file that no comparison
/// has, with the streams that are there, and for each method that no comparison knows, with the
/// known ones.
std::vector<std::string> hold_against(const Reference& reference,
                                      std::vector<Comparison>& comparisons);

}  // namespace lethe
