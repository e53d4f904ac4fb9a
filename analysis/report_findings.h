// The sections of a report on what comparisons were held against. Empty where that is nothing. Free
// of libtorch.
#pragma once

#include <string>

#include "analysis/report_document.h"

namespace lethe {

/// "agrees", "differs", "no spread known", "no figure" or "not measured".
std::string agreement_text(Agreement agreement);
/// "confirmed", "recalled" or "quoted".
std::string status_text(FigureStatus status);

/// Methods beside published figures and beside those measured with the reference code.
Blocks reference_section(const Comparison& comparison);

/// Every link of every relation: means, paired difference, whether it holds.
Blocks relation_section(const Comparison& comparison);

/// How many figures agree, which do not and why, and which relations hold, for the start of a
/// report.
Blocks findings_summary(const std::vector<Comparison>& comparisons);

}  // namespace lethe
