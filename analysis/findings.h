// What a comparison shows beside figures and relations that come from outside of it: published
// values, values measured with another program, an order of methods. Free of libtorch.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/statistics.h"

namespace lethe {

/// How sure a published figure is: read in its own source, from memory, or quoted by another text.
enum class FigureStatus : uint8_t { confirmed, recalled, quoted };

/// Mean and standard error over the seeds of its source, in base units.
struct PublishedFigure {
  double mean = 0;
  std::optional<double> sem;
  std::optional<int64_t> seeds;
  FigureStatus status = FigureStatus::confirmed;

  /// Standard deviation of one seed: sem sqrt(seeds); nullopt where one of them is unknown.
  std::optional<double> sd() const {
    if (!sem || !seeds) return std::nullopt;
    return *sem * std::sqrt(static_cast<double>(*seeds));
  }
};

/// agrees: ours is at most 2 published standard deviations away. no_spread: the figure has none.
enum class Agreement : uint8_t { agrees, differs, no_spread, no_figure, not_measured };

/// One method beside a published figure.
struct ReferenceCell {
  std::string method{};
  Summary ours{};
  std::optional<PublishedFigure> published{};
  std::vector<std::pair<int64_t, double>> measured{};  ///< with the reference code: seed, value
  std::optional<double> deviations{};                  ///< (ours - published) / published sd
  /// (ours - published) / sd of ours; only where the figure has no sd, and no ground for a verdict.
  std::optional<double> own_deviations{};
  Agreement agreement = Agreement::no_figure;
  std::string why{};  ///< the reason that the reference file gives
};

/// One source's figures of one metric for one stream, and the methods that it says nothing about.
struct ReferenceTable {
  std::string stream, source, cite;  ///< the stream's title and the source's key and full name
  std::string metric, title, unit;   ///< `title` and base unit of the metric
  std::string code;                  ///< what the measured figures were measured with
  std::vector<ReferenceCell> cells;
};

/// One step of a relation: a method, or a number, against the next.
struct RelationLink {
  std::string left, op, right;
  std::optional<double> left_mean, right_mean;  ///< nullopt = not measured
  /// Left minus right, by seed where both are methods; of each seed minus the number otherwise.
  Summary difference;
  bool holds = false;
};

struct RelationResult {
  std::string expression, metric, title, unit;
  double margin = 0;
  std::vector<RelationLink> links;
  bool holds() const;
};

}  // namespace lethe
