#include "analysis/canonical_lines.h"

#include <sstream>

namespace lethe {

OptionMap canonical_options(const std::string& canonical_text, std::string_view prefix) {
  OptionMap options;
  std::istringstream lines(canonical_text);
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find(" = ");
    if (!line.starts_with(prefix) || equals == std::string::npos) continue;
    options[line.substr(prefix.size(), equals - prefix.size())] = line.substr(equals + 3);
  }
  return options;
}

}  // namespace lethe
