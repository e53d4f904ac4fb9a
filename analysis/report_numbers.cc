#include "analysis/report_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lethe {
namespace {

std::string with_interval(const std::string& mean, const Summary& summary,
                          const std::string& base_unit) {
  if (!summary.half_width || !std::isfinite(*summary.half_width)) return mean;
  return mean + " ± " + rounded(*summary.half_width, base_unit);
}

}  // namespace

ShownUnit shown_unit(const std::string& base_unit) {
  if (base_unit == "fraction") return {.factor = 100, .decimals = 2, .name = "%"};
  if (base_unit == "bytes") return {.factor = 1.0 / (1 << 20), .decimals = 2, .name = "MiB"};
  if (base_unit == "seconds") return {.factor = 1, .decimals = 2, .name = "s"};
  if (base_unit == "count") return {.factor = 1, .decimals = 0, .name = ""};
  if (base_unit == "ratio") return {.factor = 1, .decimals = 3, .name = ""};
  if (base_unit == "1/s") return {.factor = 1, .decimals = 1, .name = "1/s"};
  return {.factor = 1, .decimals = 3, .name = base_unit};
}

std::string rounded(double value, const std::string& base_unit) {
  if (!std::isfinite(value)) return "-";
  const ShownUnit unit = shown_unit(base_unit);
  const std::string text = fmt::format("{:.{}f}", value * unit.factor, unit.decimals);
  const bool zero = text.find_first_not_of("-0.") == std::string::npos;
  return zero && text[0] == '-' ? text.substr(1) : text;
}

std::string rounded_signed(double value, const std::string& base_unit) {
  const std::string text = rounded(value, base_unit);
  return text[0] == '-' ? text : "+" + text;
}

std::string mean_and_interval(const Summary& summary, const std::string& base_unit) {
  if (summary.n == 0) return "-";
  return with_interval(rounded(summary.mean, base_unit), summary, base_unit);
}

std::string difference_and_interval(const Summary& summary, const std::string& base_unit) {
  if (summary.n == 0) return "-";
  return with_interval(rounded_signed(summary.mean, base_unit), summary, base_unit);
}

std::string exact(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string exact(const std::optional<double>& value) { return value ? exact(*value) : ""; }

bool excludes_zero(const Summary& summary) {
  return summary.n > 0 && summary.half_width && std::abs(summary.mean) > *summary.half_width;
}

}  // namespace lethe
