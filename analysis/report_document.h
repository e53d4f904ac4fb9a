// A report before it has a format: blocks of text, tables and figures with their numbers already
// written, so that Markdown, HTML and LaTeX cannot differ in a number. Texts are not yet escaped.
// Free of libtorch.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "analysis/comparison.h"
#include "analysis/figure.h"
#include "analysis/report_samples.h"

namespace lethe {

/// Whether a paired difference to finetune has an interval that excludes 0, and which way it
/// points.
enum class Verdict : uint8_t { none, better, worse };

struct TableCell {
  std::string text{};
  Verdict verdict = Verdict::none;
  std::optional<double> shade{};  ///< 0..1: the place in a heat map's colours
};

struct Heading {
  int level = 3;
  std::string text{};
};
struct Paragraph {
  std::string text{};
};
struct Bullets {
  std::vector<std::string> items{};
};
/// Lines to be copied as they are.
struct Code {
  std::string text{};
};
/// Name and value pairs.
struct Facts {
  std::vector<std::pair<std::string, std::string>> pairs{};
};
/// The first `labels` columns are row labels, set to the left, and the last `texts` are words; all
/// others are values. `prose` tables hold sentences.
struct Table {
  std::string caption{};
  std::vector<std::string> head{};
  std::vector<std::vector<TableCell>> rows{};
  size_t labels = 1;
  size_t texts = 0;
  bool prose = false;
  bool is_text(size_t column) const { return column < labels || column + texts >= head.size(); }
};
struct HeatMaps {
  std::vector<Table> tables{};
};
struct Panel {
  std::string title{};
  Figure figure{};
};
/// Small multiples with one legend (names by line_color()); `wide` for a single large figure.
struct Panels {
  std::string caption{};
  std::vector<std::string> legend{};
  std::vector<Panel> panels{};
  bool wide = false;
};
/// One method's samples; `tasks` names task j as tasks[j - 1] where it is long enough.
struct SampleBlock {
  std::string method{};
  int64_t seed = 0;
  std::vector<std::string> tasks{};
  std::vector<SampleHistory> histories{};
};

using Block =
    std::variant<Heading, Paragraph, Bullets, Code, Facts, Table, HeatMaps, Panels, SampleBlock>;
using Blocks = std::vector<Block>;

/// Definition, source and direction of every metric that the comparisons show, for the end of a
/// report.
Blocks definitions(const std::vector<Comparison>& comparisons, const std::vector<MetricDoc>& docs);

/// The sections of one comparison but for its title, those of section_names() in `wanted` or, where
/// that is empty, all. `figures` asks for the figures to be drawn.
Blocks sections(const Comparison& comparison, const std::vector<MetricDoc>& docs, bool figures,
                const std::vector<std::string>& wanted = {});

/// The docs of the metrics that at least one method has: those of the comparison in its order, then
/// those of `docs` that it lacks, then metrics without a doc under their own key.
std::vector<MetricDoc> metrics_present(const Comparison& comparison,
                                       const std::vector<MetricDoc>& docs);

/// "random initialisation" for -1, "before" for 0, else "after task 2 (summarise)", where `tasks`
/// holds the names of all tasks; the number alone where it does not.
std::string stage_name(int64_t after_task, const std::vector<std::string>& tasks);

/// "Task 2 (summarise), row 7: wrong before, right after learning, lost later".
std::string sample_title(const SampleBlock& block, const SampleHistory& history);

/// The names of all tasks of the stream: the columns of a matrix that has one for every stage, else
/// empty.
std::vector<std::string> stream_tasks(const MethodRow& method);

}  // namespace lethe
