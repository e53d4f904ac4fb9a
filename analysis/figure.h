// Figures as SVG text, drawn by gnuplot in a child process. Only numbers and words of our own reach
// gnuplot: a label of the user's is a placeholder that is replaced in the finished SVG. Free of
// libtorch.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lethe {

/// An <svg> element, or why there is none (one line that says what to do).
struct Figure {
  std::string svg{};
  std::string problem{};
};

/// Runs `program` on a gnuplot script (standard input) and returns what it draws. Never throws for
/// a missing or failing program: Figure::problem says so.
Figure draw(const std::string& script, const std::string& program = "gnuplot");

/// A line's point: a value with the half width of its interval (0 = none).
struct StageScore {
  double value = 0, half_width = 0;
};
/// One line: y over stages 0, 1, ...; nullopt = not measured (the line has a gap there).
using CurveLine = std::vector<std::optional<StageScore>>;

/// A small multiple of forgetting curves: line i in line_color(i), stage 0 labelled "before".
/// `low` and `high` bound the y axis (in shown units), equal over the panels of one figure.
struct CurvePanel {
  std::vector<CurveLine> lines{};
  double low = 0, high = 100;
};
Figure draw_curves(const CurvePanel& panel);

/// A point with optional error bars (half widths) and a label.
struct ScatterPoint {
  double x = 0, y = 0;
  double x_half = 0, y_half = 0;
  std::string label{};
};
/// The points than which no other is lower in both x and y (and lower in one), by rising x: of
/// equal points all.
std::vector<size_t> pareto_front(const std::vector<ScatterPoint>& points);
/// Points with their labels beside them, shifted so that labels do not overlap, and a line along
/// the Pareto front. Axis titles are words of the caller's own, not a user's.
Figure draw_scatter(const std::vector<ScatterPoint>& points, const std::string& x_title,
                    const std::string& y_title);

/// One bar of parts laid end to end: part i in line_color(i).
struct StackedBar {
  std::string label{};
  std::vector<double> parts{};
};
/// Horizontal bars, the first at the top, their labels left of them. The axis title is the
/// caller's own words.
Figure draw_stacks(const std::vector<StackedBar>& bars, const std::string& x_title);

/// "#rrggbb", told apart by colour-blind readers too (Okabe and Ito 2008); repeats after eight.
std::string line_color(size_t i);

}  // namespace lethe
