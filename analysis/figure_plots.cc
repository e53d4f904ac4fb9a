// The plots of a report as gnuplot scripts.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/figure.h"
#include "analysis/report_escape.h"

namespace lethe {
namespace {

constexpr int kWidth = 640, kHeight = 400;
constexpr double kLeft = 0.12, kRight = 0.97, kBottom = 0.15, kTop = 0.96;  // the axes' box

struct Range {
  double low = 0, high = 1;
  double at(double value) const { return (value - low) / (high - low); }
};

// From the smallest to the largest bar end, with room on both sides; never empty.
Range padded(const std::vector<std::pair<double, double>>& bars, double below, double above) {
  Range range{bars.front().first, bars.front().second};
  for (const auto& [low, high] : bars) {
    range.low = std::min(range.low, low);
    range.high = std::max(range.high, high);
  }
  const double span = std::max(range.high - range.low, 1e-9 + 0.02 * std::abs(range.high));
  return {range.low - below * span, range.high + above * span};
}

struct Box {
  double x, y, width;
};

// Pixel positions (left, centre) of the labels, each at its point or pushed up until it is free.
std::vector<Box> label_boxes(const std::vector<ScatterPoint>& points, Range x, Range y) {
  constexpr double line_height = 15;
  std::vector<size_t> order(points.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return points[a].y < points[b].y; });
  std::vector<Box> boxes(points.size());
  std::vector<Box> placed;
  for (const size_t i : order) {
    Box box{(kLeft + (kRight - kLeft) * x.at(points[i].x)) * kWidth + 8,
            (kBottom + (kTop - kBottom) * y.at(points[i].y)) * kHeight + 8,
            7.0 * static_cast<double>(points[i].label.size())};
    box.x = std::min(box.x, std::max(kLeft * kWidth + 4, kRight * kWidth - box.width - 4));
    const auto clashes = [&](const Box& other) {
      return std::abs(other.y - box.y) < line_height && box.x < other.x + other.width &&
             other.x < box.x + box.width;
    };
    while (std::any_of(placed.begin(), placed.end(), clashes)) box.y += 1;
    placed.push_back(box);
    boxes[i] = box;
  }
  return boxes;
}

std::string placeholder(size_t i) { return fmt::format("@label{}@", i); }

// The SVG with every placeholder replaced by its label in one pass: no label is read again.
template <class Labelled>
std::string with_labels(const std::string& svg, const std::vector<Labelled>& points) {
  std::string text;
  size_t at = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const std::string mark = placeholder(i);
    const size_t found = svg.find(mark, at);
    if (found == std::string::npos) continue;
    text += svg.substr(at, found - at) + escape_html(points[i].label);
    at = found + mark.size();
  }
  return text + svg.substr(at);
}

std::string terminal(int width, int height, int font) {
  return fmt::format(
      "set encoding utf8\n"
      "set terminal svg size {},{} dynamic noenhanced font 'sans-serif,{}' background '#ffffff'\n"
      "set border 3 lc rgb '#888888'\nset tics nomirror textcolor rgb '#333333'\n"
      "set grid lc rgb '#e4e4e4'\nunset key\n",
      width, height, font);
}

std::string scatter_script(const std::vector<ScatterPoint>& points, const std::string& x_title,
                           const std::string& y_title) {
  std::vector<std::pair<double, double>> xs, ys;
  for (const ScatterPoint& p : points) {
    xs.emplace_back(p.x - p.x_half, p.x + p.x_half);
    ys.emplace_back(p.y - p.y_half, p.y + p.y_half);
  }
  const Range x = padded(xs, 0.06, 0.2), y = padded(ys, 0.08, 0.12);
  std::string script = terminal(kWidth, kHeight, 12);
  script += fmt::format(
      "set lmargin at screen {}\nset rmargin at screen {}\nset bmargin at screen {}\n"
      "set tmargin at screen {}\nset xrange [{}:{}]\nset yrange [{}:{}]\n"
      "set xlabel '{}'\nset ylabel '{}'\n",
      kLeft, kRight, kBottom, kTop, x.low, x.high, y.low, y.high, x_title, y_title);
  const std::vector<Box> boxes = label_boxes(points, x, y);
  for (size_t i = 0; i < points.size(); ++i) {
    script += fmt::format("set label '{}' at screen {},{} left front textcolor rgb '#222222'\n",
                          placeholder(i), boxes[i].x / kWidth, boxes[i].y / kHeight);
  }
  script += "$points << EOD\n";
  for (const ScatterPoint& p : points) {
    script += fmt::format("{} {} {} {}\n", p.x, p.y, p.x_half, p.y_half);
  }
  script += "EOD\n$front << EOD\n";
  for (const size_t i : pareto_front(points)) {
    script += fmt::format("{} {}\n", points[i].x, points[i].y);
  }
  return script +
         "EOD\nplot $points using 1:2:3:4 with xyerrorbars pt 7 ps 0.01 lc rgb '#b8b8b8', "
         "$front using 1:2 with lines lw 1.2 dt 2 lc rgb '#d55e00', "
         "$points using 1:2 with points pt 7 ps 0.8 lc rgb '#0072b2'\n";
}

constexpr int kBarHeight = 22, kBarsTop = 10, kBarsBottom = 60;  // pixels

/// One data block a part, of left end, right end and place of every bar; and the plot of them.
std::string stacked_parts(const std::vector<StackedBar>& bars, size_t parts) {
  std::vector<double> ends(bars.size());
  std::string data, plot = "plot ";
  for (size_t part = 0; part < parts; ++part) {
    data += fmt::format("$part{} << EOD\n", part);
    for (size_t i = 0; i < bars.size(); ++i) {
      const double start = ends[i];
      if (part < bars[i].parts.size()) ends[i] += bars[i].parts[part];
      const auto place = static_cast<double>(bars.size() - 1 - i);
      data += fmt::format("{} {} {} {} {} {}\n", (start + ends[i]) / 2, place, start, ends[i],
                          place - 0.36, place + 0.36);
    }
    data += "EOD\n";
    plot += fmt::format("{}$part{} using 1:2:3:4:5:6 with boxxyerror lc rgb '{}'",
                        part == 0 ? "" : ", ", part, line_color(part));
  }
  return data + plot + "\n";
}

std::string stacks_script(const std::vector<StackedBar>& bars, const std::string& x_title) {
  size_t longest = 0, parts = 0;
  double most = 0;
  for (const StackedBar& bar : bars) {
    longest = std::max(longest, bar.label.size());
    parts = std::max(parts, bar.parts.size());
    double sum = 0;
    for (const double part : bar.parts) sum += part;
    most = std::max(most, sum);
  }
  const auto count = static_cast<int>(bars.size());
  const int height = kBarsTop + kBarsBottom + kBarHeight * count;
  const double left = std::min(0.45, (20 + 7.0 * static_cast<double>(longest)) / kWidth);
  const double bottom = static_cast<double>(kBarsBottom) / height;
  std::string script = terminal(kWidth, height, 12);
  script += fmt::format(
      "set lmargin at screen {}\nset rmargin at screen {}\nset bmargin at screen {}\n"
      "set tmargin at screen {}\nset xrange [0:{}]\nset yrange [{}:{}]\nunset ytics\n"
      "set xlabel '{}'\nset style fill solid 0.9 noborder\n",
      left, kRight, bottom, 1 - static_cast<double>(kBarsTop) / height, most > 0 ? 1.03 * most : 1,
      -0.5, count - 0.5, x_title);
  for (int i = 0; i < count; ++i) {
    const double y = bottom + (count - 1 - i + 0.5) * kBarHeight / height;
    script += fmt::format("set label '{}' at screen {},{} right front textcolor rgb '#222222'\n",
                          placeholder(static_cast<size_t>(i)), left - 0.01, y);
  }
  return script + stacked_parts(bars, parts);
}

}  // namespace

std::string line_color(size_t i) {
  constexpr std::array colors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                 "#e69f00", "#56b4e9", "#000000", "#8c6d00"};
  return colors[i % colors.size()];
}

Figure draw_curves(const CurvePanel& panel) {
  size_t stages = 1;
  for (const CurveLine& line : panel.lines) stages = std::max(stages, line.size());
  if (panel.lines.empty()) return {.problem = "Figure not drawn: no scores were measured."};
  std::string script = terminal(300, 200, 11);
  script += fmt::format("set xrange [-0.2:{}]\nset yrange [{}:{}]\nset xtics ('before' 0",
                        static_cast<double>(stages) - 0.8, panel.low, panel.high);
  for (size_t stage = 1; stage < stages; ++stage) script += fmt::format(", '{0}' {0}", stage);
  script += ")\n$lines << EOD\n";
  for (size_t stage = 0; stage < stages; ++stage) {
    script += std::to_string(stage);
    for (const CurveLine& line : panel.lines) {
      const bool known = stage < line.size() && line[stage] && std::isfinite(line[stage]->value);
      script +=
          known ? fmt::format(" {} {}", line[stage]->value, line[stage]->half_width) : " NaN NaN";
    }
    script += "\n";
  }
  script += "EOD\nplot ";
  for (size_t i = 0; i < panel.lines.size(); ++i) {
    script += fmt::format(
        "{0}$lines using 1:{1}:{2} with yerrorbars pt 7 ps 0.01 lw 0.8 lc rgb '{3}', "
        "$lines using 1:{1} with linespoints pt 7 ps 0.5 lw 1.8 lc rgb '{3}'",
        i == 0 ? "" : ", ", 2 * i + 2, 2 * i + 3, line_color(i));
  }
  return draw(script + "\n");
}

std::vector<size_t> pareto_front(const std::vector<ScatterPoint>& points) {
  const auto beats = [&](size_t a, size_t b) {
    const ScatterPoint &p = points[a], &q = points[b];
    return p.x <= q.x && p.y <= q.y && (p.x < q.x || p.y < q.y);
  };
  std::vector<size_t> front;
  for (size_t i = 0; i < points.size(); ++i) {
    bool beaten = false;
    for (size_t j = 0; j < points.size(); ++j) beaten = beaten || beats(j, i);
    if (!beaten) front.push_back(i);
  }
  std::stable_sort(front.begin(), front.end(),
                   [&](size_t a, size_t b) { return points[a].x < points[b].x; });
  return front;
}

Figure draw_stacks(const std::vector<StackedBar>& bars, const std::string& x_title) {
  const bool any = std::any_of(bars.begin(), bars.end(),
                               [](const StackedBar& bar) { return !bar.parts.empty(); });
  if (!any) return {.problem = "Figure not drawn: no memory was measured."};
  Figure figure = draw(stacks_script(bars, x_title));
  figure.svg = with_labels(figure.svg, bars);
  return figure;
}

Figure draw_scatter(const std::vector<ScatterPoint>& points, const std::string& x_title,
                    const std::string& y_title) {
  if (points.empty()) return {.problem = "Figure not drawn: no method has both values."};
  Figure figure = draw(scatter_script(points, x_title, y_title));
  figure.svg = with_labels(figure.svg, points);
  return figure;
}

}  // namespace lethe
