// Blocks of a report as HTML. Free of libtorch.
#pragma once

#include <string>

#include "analysis/report_document.h"

namespace lethe {

/// Renders the blocks of a page; counts figures, so that ids of inline SVGs are unique in it.
class HtmlBlocks {
 public:
  std::string all(const Blocks& blocks);

  std::string operator()(const Heading& heading);
  std::string operator()(const Paragraph& paragraph);
  std::string operator()(const Bullets& bullets);
  std::string operator()(const Code& code);
  std::string operator()(const Facts& facts);
  std::string operator()(const Table& table);
  std::string operator()(const HeatMaps& maps);
  std::string operator()(const Panels& panels);
  std::string operator()(const SampleBlock& block);

 private:
  std::string figure(const Panel& panel);
  int figures_ = 0, samples_ = 0;
};

/// "background:#rrggbb;color:#rrggbb" for a heat map's cell at `shade` in 0..1: from near white to
/// dark blue, with black or white text, whichever has the greater contrast (WCAG 2 relative
/// luminance; at least 4.5 everywhere).
std::string shade_style(double shade);

/// The page's style sheet: light and dark, screen and print.
std::string html_style();

}  // namespace lethe
