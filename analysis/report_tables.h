// The sections of a report, each a list of blocks that is empty when there is nothing to show.
// Free of libtorch.
#pragma once

#include "analysis/report_document.h"

namespace lethe {

/// Kinds of metrics, each with tables of its own.
enum class MetricKind : uint8_t { score, memory, time };
/// By the unit: bytes and counts (of parameters) are memory; seconds and 1/s are time.
MetricKind metric_kind(const MetricDoc& doc);

/// Methods by metrics, and the paired differences to finetune.
Blocks score_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks memory_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks time_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks matrix_section(const Comparison& comparison);
Blocks figure_section(const Comparison& comparison, const std::vector<MetricDoc>& present);

/// Methods by the metrics of `kind`: mean ± half width over seeds; and the differences where there
/// are any.
Blocks metric_tables(const Comparison& comparison, const std::vector<MetricDoc>& present,
                     MetricKind kind, const std::string& caption);

}  // namespace lethe
