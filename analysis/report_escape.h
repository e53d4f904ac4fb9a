// Text made harmless for the format it goes into. Free of libtorch.
#pragma once

#include <string>
#include <string_view>

namespace lethe {

/// For HTML text and quoted attributes, and SVG text: & < > " ' as entities; control characters
/// other than tab and newline as U+FFFD, so that the text shows what was there.
std::string escape_html(std::string_view text);

/// For one line of Markdown, inside a table cell too: no markup and no HTML can begin; a line break
/// becomes "⏎".
std::string escape_markdown(std::string_view text);

/// For LaTeX text in text mode; a line break becomes a space.
std::string escape_latex(std::string_view text);

/// An RFC 4180 field: quoted, with doubled quotes, when it holds a comma, a quote or a line break.
std::string escape_csv(std::string_view text);

}  // namespace lethe
