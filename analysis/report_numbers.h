// How a report writes numbers: rounded with a unit for readers, exact for programs. Free of
// libtorch.
#pragma once

#include <optional>
#include <string>

#include "analysis/comparison.h"

namespace lethe {

/// How readers see a base unit: shown value = factor * value, with `decimals` digits after the
/// point.
struct ShownUnit {
  double factor = 1;
  int decimals = 3;
  std::string name;  ///< "%", "MiB", "s"; else the base unit's own name
};

/// fraction -> %, bytes -> MiB, seconds -> s (2 decimals each); 1/s with 1 decimal; count without a
/// unit or decimals; nats and all others keep their unit, with 3 decimals.
ShownUnit shown_unit(const std::string& base_unit);

/// "81.25"; "-" when the value is not finite; never "-0.00".
std::string rounded(double value, const std::string& base_unit);
/// As rounded(), with the sign always written: "+3.20".
std::string rounded_signed(double value, const std::string& base_unit);

/// "81.25 ± 1.20", without the half width when there is none, "-" when n = 0.
std::string mean_and_interval(const Summary& summary, const std::string& base_unit);
/// As mean_and_interval(), with the mean's sign always written.
std::string difference_and_interval(const Summary& summary, const std::string& base_unit);

/// The shortest text that reads back as the same double; empty when the value is not finite.
std::string exact(double value);
std::string exact(const std::optional<double>& value);

/// Whether the interval of a difference leaves out 0; false without an interval.
bool excludes_zero(const Summary& summary);

}  // namespace lethe
