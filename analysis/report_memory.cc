// The memory section: what a trial held at its peak, and the peaks of its phases.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/figure.h"
#include "analysis/metric_table.h"
#include "analysis/report_numbers.h"
#include "analysis/report_tables.h"

namespace lethe {
namespace {

template <class Get>
std::vector<std::string> distinct(const Comparison& comparison, Get&& get) {
  std::vector<std::string> names;
  for (const MethodRow& method : comparison.methods) {
    for (const Usage& usage : method.usage) {
      const std::string name = get(usage);
      if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  return names;
}

struct Peak {
  std::string phase;
  int64_t bytes = 0;
};

// A phase's peak is the sum of what its categories held at that instant.
std::optional<int64_t> phase_peak(const MethodRow& method, const std::string& device,
                                  const std::string& phase) {
  std::optional<int64_t> bytes;
  for (const Usage& usage : method.usage) {
    const bool counts = usage.device == device && usage.phase == phase && !stands_beside(usage);
    if (counts) bytes = bytes.value_or(0) + usage.at_peak;
  }
  return bytes;
}

/// What a category held at the instant of the phase's peak.
int64_t held_at_peak(const MethodRow& method, const std::string& device, const std::string& phase,
                     const std::string& category) {
  int64_t bytes = 0;
  for (const Usage& usage : method.usage) {
    const bool here = usage.device == device && usage.phase == phase && usage.category == category;
    bytes += here ? usage.at_peak : 0;
  }
  return bytes;
}

std::optional<int64_t> own_peak(const MethodRow& method, const std::string& device,
                                const std::string& category) {
  std::optional<int64_t> bytes;
  for (const Usage& usage : method.usage) {
    if (usage.device != device || usage.category != category) continue;
    bytes = std::max(bytes.value_or(0), std::max(usage.peak, usage.at_peak));
  }
  return bytes;
}

TableCell bytes_cell(std::optional<int64_t> bytes) {
  return {bytes ? rounded(static_cast<double>(*bytes), "bytes") : "-"};
}

bool uses(const MethodRow& method, const std::string& device) {
  return std::any_of(method.usage.begin(), method.usage.end(),
                     [&](const Usage& usage) { return usage.device == device; });
}

struct Columns {
  std::vector<std::string> devices, phases, categories, beside;
};

Columns columns_of(const Comparison& comparison) {
  return {distinct(comparison, [](const Usage& u) { return u.device; }),
          distinct(comparison, [](const Usage& u) { return stands_beside(u) ? "" : u.phase; }),
          distinct(comparison, [](const Usage& u) { return stands_beside(u) ? "" : u.category; }),
          distinct(comparison, [](const Usage& u) { return stands_beside(u) ? u.category : ""; })};
}

Table composition(const Comparison& comparison, const Columns& columns) {
  Table table{.caption =
                  "Memory at the instant of the peak, in MiB: the categories add up to the peak. "
                  "Smallest seed.",
              .head = {"Method", "Device", "Phase", "Peak"},
              .labels = 3};
  table.head.insert(table.head.end(), columns.categories.begin(), columns.categories.end());
  for (const MethodRow& method : comparison.methods) {
    for (const std::string& device : columns.devices) {
      if (!uses(method, device)) continue;
      Peak peak;
      for (const std::string& phase : columns.phases) {
        const auto bytes = phase_peak(method, device, phase);
        if (bytes.value_or(0) > peak.bytes) peak = {phase, *bytes};
      }
      std::vector<TableCell> row = {{method.label}, {device}, {peak.phase}, bytes_cell(peak.bytes)};
      for (const std::string& category : columns.categories) {
        row.push_back(bytes_cell(held_at_peak(method, device, peak.phase, category)));
      }
      table.rows.push_back(row);
    }
  }
  return table;
}

Table by_phase(const Comparison& comparison, const Columns& columns) {
  Table table{.caption =
                  "Peak of each phase, the method state's own peak, and what the process took as "
                  "the system saw it, in MiB. Smallest seed.",
              .head = {"Method", "Device"},
              .labels = 2};
  table.head.insert(table.head.end(), columns.phases.begin(), columns.phases.end());
  table.head.emplace_back("method state (own peak)");
  table.head.insert(table.head.end(), columns.beside.begin(), columns.beside.end());
  for (const MethodRow& method : comparison.methods) {
    for (const std::string& device : columns.devices) {
      if (!uses(method, device)) continue;
      std::vector<TableCell> row = {{method.label}, {device}};
      for (const std::string& phase : columns.phases) {
        row.push_back(bytes_cell(phase_peak(method, device, phase)));
      }
      row.push_back(bytes_cell(own_peak(method, device, "method state")));
      for (const std::string& name : columns.beside) {
        row.push_back(bytes_cell(own_peak(method, device, name)));
      }
      table.rows.push_back(row);
    }
  }
  return table;
}

/// One figure a phase: what each method held at the phase's peak, by category.
Blocks stacks(const Comparison& comparison, const Columns& columns) {
  Blocks blocks;
  for (const std::string& device : columns.devices) {
    Panels panels{.caption = fmt::format("Memory on {} at the peak of each phase, by category.",
                                         device == "host" ? "the host" : device),
                  .legend = columns.categories,
                  .wide = true};
    for (const std::string& phase : columns.phases) {
      std::vector<StackedBar> bars;
      for (const MethodRow& method : comparison.methods) {
        if (!phase_peak(method, device, phase)) continue;
        StackedBar bar{.label = method.label};
        for (const std::string& category : columns.categories) {
          const int64_t bytes = held_at_peak(method, device, phase, category);
          bar.parts.push_back(static_cast<double>(bytes) / 0x1p20);
        }
        bars.push_back(std::move(bar));
      }
      if (!bars.empty()) panels.panels.push_back({phase, draw_stacks(bars, "memory (MiB)")});
    }
    if (!panels.panels.empty()) blocks.emplace_back(std::move(panels));
  }
  return blocks;
}

/// What the trials really had: batches of different sizes are told apart by seed.
Table settings_table(const Comparison& comparison) {
  Table table{"With what it was measured: the largest batches that came, and what tensors were.",
              {"Method", "Trained with"}};
  table.texts = 1;
  table.prose = true;
  for (const MethodRow& method : comparison.methods) {
    std::string text;
    for (const std::string& one : method.trained_with) {
      text += (text.empty() ? "" : " / ") + one.substr(std::string(kTrainedWith).size());
    }
    if (!text.empty()) table.rows.push_back({{method.label}, {text}});
  }
  return table;
}

}  // namespace

Blocks memory_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  Blocks blocks = {Heading{3, "Memory and parameters"}};
  const Blocks tables = metric_tables(comparison, present, MetricKind::memory,
                                      "Mean over n seeds ± half width of the 95 % interval.");
  blocks.insert(blocks.end(), tables.begin(), tables.end());
  const Columns columns = columns_of(comparison);
  if (!columns.devices.empty()) {
    Table settings = settings_table(comparison);
    if (!settings.rows.empty()) blocks.emplace_back(std::move(settings));
    blocks.emplace_back(composition(comparison, columns));
    blocks.emplace_back(by_phase(comparison, columns));
    const Blocks figures = stacks(comparison, columns);
    blocks.insert(blocks.end(), figures.begin(), figures.end());
  }
  return blocks.size() > 1 ? blocks : Blocks{};
}

}  // namespace lethe
