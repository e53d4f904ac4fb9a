#include "analysis/report_html_blocks.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "analysis/report_escape.h"

namespace lethe {
namespace {

using Rgb = std::array<double, 3>;

// sRGB to linear light and its weights, WCAG 2.
double luminance(const Rgb& color) {
  const auto linear = [](double byte) {
    const double c = byte / 255;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2]);
}

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string cell_html(const TableCell& cell, bool label, bool words) {
  std::string attributes, mark;
  if (label) attributes = " scope=\"row\"";
  if (words) attributes = " class=\"words\"";
  if (cell.shade) attributes += " style=\"" + shade_style(*cell.shade) + "\"";
  if (cell.verdict != Verdict::none) {
    const bool better = cell.verdict == Verdict::better;
    attributes += better ? " class=\"better\"" : " class=\"worse\"";
    mark = better ? " ▲" : " ▼";
  }
  const char* tag = label ? "th" : "td";
  return fmt::format("<{0}{1}>{2}{3}</{0}>", tag, attributes, escape_html(cell.text), mark);
}

std::string table_html(const Table& table, const char* kind) {
  std::string text =
      fmt::format("<div class=\"scroll\" tabindex=\"0\"><table class=\"{}\">\n", kind);
  if (!table.caption.empty()) text += "<caption>" + escape_html(table.caption) + "</caption>\n";
  text += "<thead><tr>";
  for (size_t i = 0; i < table.head.size(); ++i) {
    text += fmt::format("<th scope=\"col\"{}>{}</th>", table.is_text(i) ? " class=\"label\"" : "",
                        escape_html(table.head[i]));
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool label = i < table.labels && (!table.prose || i == 0);
      text += cell_html(row[i], label, i >= table.labels && table.is_text(i));
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string generated_row(const std::string& stage, const char* mark, const char* kind,
                          const std::string& text) {
  return fmt::format(
      "<tr class=\"{}\"><th scope=\"row\">{}</th><td>{}</td><td><pre>{}</pre></td></tr>\n", kind,
      escape_html(stage), mark, escape_html(text));
}

}  // namespace

std::string shade_style(double shade) {
  constexpr Rgb low = {247, 251, 255}, middle = {107, 174, 214}, high = {8, 48, 107};
  const Rgb& from = shade < 0.5 ? low : middle;
  const Rgb& to = shade < 0.5 ? middle : high;
  const double part = shade < 0.5 ? 2 * shade : 2 * shade - 1;
  Rgb color{};
  for (size_t i = 0; i < 3; ++i) color[i] = std::round(from[i] + part * (to[i] - from[i]));
  const double light = luminance(color);
  const bool white = 1.05 / (light + 0.05) > (light + 0.05) / 0.05;
  return fmt::format("background:#{:02x}{:02x}{:02x};color:{}", static_cast<int>(color[0]),
                     static_cast<int>(color[1]), static_cast<int>(color[2]),
                     white ? "#fff" : "#000");
}

std::string HtmlBlocks::all(const Blocks& blocks) {
  std::string text;
  for (const Block& block : blocks) text += std::visit(*this, block);
  return text;
}

std::string HtmlBlocks::operator()(const Heading& heading) {
  return fmt::format("<h{0}>{1}</h{0}>\n", heading.level, escape_html(heading.text));
}

std::string HtmlBlocks::operator()(const Paragraph& paragraph) {
  return "<p>" + escape_html(paragraph.text) + "</p>\n";
}

std::string HtmlBlocks::operator()(const Bullets& bullets) {
  std::string text = "<ul>\n";
  for (const std::string& item : bullets.items) text += "<li>" + escape_html(item) + "</li>\n";
  return text + "</ul>\n";
}

std::string HtmlBlocks::operator()(const Code& code) {
  return "<pre class=\"prompt\">" + escape_html(code.text) + "</pre>\n";
}

std::string HtmlBlocks::operator()(const Facts& facts) {
  std::string text = "<dl>\n";
  for (const auto& [name, value] : facts.pairs) {
    text += "<div><dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "</dd></div>\n";
  }
  return text + "</dl>\n";
}

std::string HtmlBlocks::operator()(const Table& table) {
  return table_html(table, table.prose ? "prose" : "values");
}

std::string HtmlBlocks::operator()(const HeatMaps& maps) {
  std::string text = "<p>Darker is better.</p>\n<div class=\"maps\">\n";
  for (const Table& table : maps.tables) text += table_html(table, "heat");
  return text + "</div>\n";
}

std::string HtmlBlocks::figure(const Panel& panel) {
  const std::string title = escape_html(panel.title);
  if (panel.figure.svg.empty()) {
    return fmt::format("<figure><figcaption>{}</figcaption><p class=\"problem\">{}</p></figure>\n",
                       title, escape_html(panel.figure.problem));
  }
  std::string svg = panel.figure.svg;
  const std::string prefix = fmt::format("f{}-", ++figures_);
  for (const char* quote : {"'", "\""}) {
    replace_all(svg, fmt::format(" id={}", quote), fmt::format(" id={}{}", quote, prefix));
    replace_all(svg, fmt::format("href={}#", quote), fmt::format("href={}#{}", quote, prefix));
  }
  replace_all(svg, "url(#", "url(#" + prefix);
  const std::string caption = title.empty() ? "" : "<figcaption>" + title + "</figcaption>";
  return fmt::format("<figure>{}{}</figure>\n", caption, svg);
}

std::string HtmlBlocks::operator()(const Panels& panels) {
  std::string text = "<p>" + escape_html(panels.caption) + "</p>\n";
  // One line says once what keeps every panel of the block from being drawn.
  if (!panels.panels.empty() && panels.panels[0].figure.svg.empty()) {
    return text + "<p class=\"problem\">" + escape_html(panels.panels[0].figure.problem) + "</p>\n";
  }
  if (!panels.legend.empty()) text += "<ul class=\"legend\">\n";
  for (size_t i = 0; i < panels.legend.size(); ++i) {
    text += fmt::format("<li><span style=\"background:{}\"></span>{}</li>\n", line_color(i),
                        escape_html(panels.legend[i]));
  }
  if (!panels.legend.empty()) text += "</ul>\n";
  text += panels.wide ? "<div class=\"wide\">\n" : "<div class=\"grid\">\n";
  for (const Panel& panel : panels.panels) text += figure(panel);
  return text + "</div>\n";
}

std::string HtmlBlocks::operator()(const SampleBlock& block) {
  // The first is open, so that a reader sees what hides in the others.
  std::string text =
      fmt::format("<details{}><summary>{}, seed {}</summary>\n", samples_++ == 0 ? " open" : "",
                  escape_html(block.method), block.seed);
  for (const SampleHistory& history : block.histories) {
    text += "<h4>" + escape_html(sample_title(block, history)) + "</h4>\n<pre class=\"prompt\">" +
            escape_html(history.prompt) +
            "</pre>\n<div class=\"scroll\"><table class=\"samples\"><tbody>\n";
    text += generated_row("expected", "", "expected", history.expected);
    for (const SampleStage& stage : history.stages) {
      text += generated_row(stage_name(stage.after_task, block.tasks), stage.right ? "✓" : "✗",
                            stage.right ? "right" : "wrong", stage.generated);
    }
    text += "</tbody></table></div>\n";
  }
  return text + "</details>\n";
}

}  // namespace lethe
