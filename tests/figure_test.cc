#include "analysis/figure.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "analysis/report.h"
#include "tests/near.h"

namespace lethe {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

Comparison with_matrix() {
  Comparison c;
  c.title = "t";
  MeanMatrix matrix{
      .metric = "accuracy", .unit = "fraction", .tasks = {"a"}, .rows = {}, .cells = {}};
  matrix.rows = {{0, {0.25}}, {1, {0.75}}};
  c.methods.resize(1);
  c.methods[0].label = "finetune";
  c.methods[0].matrices = {matrix, matrix};
  return c;
}

TEST_CASE("without gnuplot a figure says how to install it and nothing is thrown", "[figure]") {
  const Figure figure = draw("plot 1\n", "no-such-gnuplot");
  CHECK(figure.svg.empty());
  CHECK(
      figure.problem ==
      "Figure not drawn: no-such-gnuplot could not be started (No such file or directory); install "
      "it with 'apt-get install gnuplot-nox' and make the report again.");
}

TEST_CASE("the report is made without gnuplot", "[figure]") {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const std::string html = report_html({with_matrix()}, {});
  setenv("PATH", path.c_str(), 1);
  CHECK(count(html, "install it with &#39;apt-get install gnuplot-nox&#39;") == 1);
  CHECK(has(html, ">75.00</td>"));
  CHECK_FALSE(has(html, "<svg"));
}

TEST_CASE("a script that gnuplot refuses gives its message", "[figure]") {
  const Figure figure = draw("set nonsense\n");
  CHECK(figure.svg.empty());
  CHECK(has(figure.problem, "Figure not drawn: gnuplot failed with status 1:"));
}

TEST_CASE("curves are one coloured line a task with a gap where nothing was measured", "[figure]") {
  const Figure figure =
      draw_curves({.lines = {{StageScore{10, 2}, StageScore{90, 1}, StageScore{30, 0}},
                             {StageScore{5, 0}, std::nullopt, StageScore{80, 0}}}});
  REQUIRE(figure.problem.empty());
  CHECK(figure.svg.rfind("<svg", 0) == 0);
  CHECK(figure.svg.substr(figure.svg.size() - 6) == "</svg>");
  CHECK(has(figure.svg, ">before</text>"));
  CHECK(has(figure.svg, "rgb(  0, 114, 178)"));  // line_color(0)
  CHECK(has(figure.svg, "rgb(213,  94,   0)"));  // line_color(1)
  CHECK_FALSE(has(figure.svg, "Gnuplot"));
  CHECK(draw_curves({}).problem == "Figure not drawn: no scores were measured.");
}

TEST_CASE("a label never reaches gnuplot and is escaped in the drawing", "[figure]") {
  const std::vector<ScatterPoint> points = {
      {.x = 1, .y = 2, .label = "`touch x`\n'; system \"ls\" <b>"},
      {.x = 1, .y = 2, .x_half = 0.5, .y_half = 0.1, .label = "@label0@"},
      {.x = 3, .y = 5, .label = "ewc"}};
  const Figure figure = draw_scatter(points, "memory (MiB)", "forgetting (%)");
  REQUIRE(figure.problem.empty());
  CHECK(count(figure.svg, "`touch x`\n&#39;; system &quot;ls&quot; &lt;b&gt;</text>") == 1);
  CHECK(count(figure.svg, ">@label0@</text>") == 1);
  CHECK(count(figure.svg, ">ewc</text>") == 1);
  CHECK(has(figure.svg, ">memory (MiB)</text>"));
}

TEST_CASE("the Pareto front is what nothing beats, by rising x", "[figure]") {
  const std::vector<ScatterPoint> points = {{.x = 3, .y = 1},  {.x = 1, .y = 5}, {.x = 2, .y = 2},
                                            {.x = 2, .y = 3},  {.x = 4, .y = 1}, {.x = 2, .y = 2},
                                            {.x = 0.5, .y = 9}};
  CHECK(pareto_front(points) == std::vector<size_t>{6, 1, 2, 5, 0});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("stacked bars are a rectangle a part, in line_color's colours", "[figure]") {
  const Figure figure = draw_stacks(
      {{.label = "ewc <b>", .parts = {10, 20, 0}}, {.label = "si", .parts = {10, 5, 15}}}, "MiB");
  REQUIRE(figure.problem.empty());
  CHECK(has(figure.svg, ">ewc &lt;b&gt;</text>"));
  CHECK(has(figure.svg, ">si</text>"));
  CHECK(has(figure.svg, ">MiB</text>"));
  CHECK(has(figure.svg, "rgb(  0, 158, 115)"));  // line_color(2)
  CHECK_FALSE(has(figure.svg, "@label"));
  CHECK(draw_stacks({{.label = "a"}}, "MiB").problem ==
        "Figure not drawn: no memory was measured.");
}

TEST_CASE("equal points still have a range to be drawn in", "[figure]") {
  CHECK(draw_scatter({{.x = 0, .y = 0, .label = "a"}}, "x", "y").problem.empty());
  CHECK(draw_scatter({}, "x", "y").problem == "Figure not drawn: no method has both values.");
}

TEST_CASE("ids of the drawings in one page are unique", "[figure]") {
  const std::string html = report_html({with_matrix()}, {});
  REQUIRE(count(html, "<svg") == 2);
  CHECK(count(html, "id='f1-gpDot'") == 1);
  CHECK(count(html, "id='f2-gpDot'") == 1);
  CHECK(has(html, "href='#f2-gpPt6'"));
  CHECK_FALSE(has(html, "href='#gpPt"));
}

}  // namespace
}  // namespace lethe
