// The sections of a report, each a list of blocks that is empty when there is nothing to show.
// Free of libtorch.
#pragma once

#include "analysis/report_document.h"

namespace lethe {

/// Kinds of metrics, each with tables of its own.
enum class MetricKind : uint8_t { score, transfer, base, memory, time };
/// By the unit: bytes and counts (of parameters) are memory; seconds and 1/s are time. Else by the
/// key: those of probes ("base_...") are base; what a first look does not need is transfer.
MetricKind metric_kind(const MetricDoc& doc);

/// The numbers of jobs under which a method's trials ran: "2", "1, 2"; "-" when none finished.
std::string jobs_text(const MethodRow& method);

/// "Forgetting (%)".
std::string column_title(const MetricDoc& doc);
/// A paired difference with its interval and which way it points; with its number of pairs where
/// that is not `seeds`.
TableCell difference_cell(const Summary& difference, const MetricDoc& doc, int64_t seeds);

/// Methods by metrics, and the paired differences to finetune.
Blocks score_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
/// Methods on a base of fewer bits beside the same method on the float base, paired by seed
/// (report_bases.cc); nothing where no method has both.
Blocks format_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks transfer_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks base_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks memory_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks time_section(const Comparison& comparison, const std::vector<MetricDoc>& present);
Blocks matrix_section(const Comparison& comparison);
Blocks figure_section(const Comparison& comparison, const std::vector<MetricDoc>& present);

/// Methods by the metrics of `kind`: mean ± half width over seeds; and the differences where there
/// are any.
Blocks metric_tables(const Comparison& comparison, const std::vector<MetricDoc>& present,
                     MetricKind kind, const std::string& caption);

}  // namespace lethe
