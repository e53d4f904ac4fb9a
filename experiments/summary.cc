#include "experiments/summary.h"

#include <fmt/format.h>

#include <algorithm>

namespace lethe {
namespace {

struct Column {
  const char* key;
  const char* title;
  double factor;
  int digits;
};

constexpr Column kColumns[] = {{"final_average", "final avg %", 100, 1},
                               {"learning_accuracy", "learned %", 100, 1},
                               {"forgetting", "forgetting %", 100, 1},
                               {"base_loss_rise", "base loss +", 1, 2},
                               {"peak_memory_bytes", "peak MiB", 1.0 / (1 << 20), 1},
                               {"method_state_bytes", "state MiB", 1.0 / (1 << 20), 2},
                               {"wall_seconds_train", "train s", 1, 1}};

std::string cell(const MethodRow& row, const Column& column) {
  const auto found = row.metrics.find(column.key);
  if (found == row.metrics.end() || found->second.over_seeds.n == 0) return "-";
  const Summary& summary = found->second.over_seeds;
  std::string text = fmt::format("{:.{}f}", summary.mean * column.factor, column.digits);
  if (summary.half_width) {
    text += fmt::format(" ±{:.{}f}", *summary.half_width * column.factor, column.digits);
  }
  return text;
}

/// "±" is one column of the terminal but two bytes.
std::string right(const std::string& text, size_t width) {
  const size_t shown = text.size() - (text.find("±") == std::string::npos ? 0 : 1);
  return std::string(shown < width ? width - shown : 0, ' ') + text;
}

}  // namespace

std::string summary_text(const std::vector<Comparison>& comparisons) {
  std::string text;
  for (const Comparison& comparison : comparisons) {
    text += fmt::format("\n{} | {} | {} (mean ± 95 % over seeds)\n", comparison.stream,
                        comparison.model, comparison.device_class);
    size_t widest = 6;
    for (const MethodRow& row : comparison.methods) widest = std::max(widest, row.label.size());
    text += fmt::format("{:<{}}  n", "method", widest);
    for (const Column& column : kColumns) text += right(column.title, 15);
    text += "\n";
    for (const MethodRow& row : comparison.methods) {
      text += fmt::format("{:<{}}  {}", row.label, widest, row.seeds);
      for (const Column& column : kColumns) text += right(cell(row, column), 15);
      text += row.failed > 0 ? fmt::format("  ({} failed)\n", row.failed) : "\n";
    }
  }
  return text;
}

}  // namespace lethe
