#include "analysis/report_samples.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace lethe {
namespace {

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(" \t\r\n") + 1 - from);
}

Fate fate_of(const SampleHistory& history) {
  bool seen_before = false, right_before = false, seen_at = false, right_at = false, lost = false;
  for (const SampleStage& stage : history.stages) {
    if (stage.after_task < history.on_task) {
      seen_before = true;
      right_before = stage.right;
    } else if (stage.after_task == history.on_task) {
      seen_at = true;
      right_at = stage.right;
    } else {
      lost = lost || !stage.right;
    }
  }
  const bool wrong_before = seen_before && !right_before;
  if (seen_at && !right_at) return Fate::never_learned;
  if (!seen_at) return lost || wrong_before ? Fate::never_learned : Fate::always_right;
  if (lost) return wrong_before ? Fate::learned_and_lost : Fate::known_and_lost;
  return wrong_before ? Fate::learned_and_kept : Fate::always_right;
}

}  // namespace

const char* fate_text(Fate fate) {
  switch (fate) {
    case Fate::learned_and_lost:
      return "wrong before, right after learning, lost later";
    case Fate::known_and_lost:
      return "right after learning, lost later";
    case Fate::learned_and_kept:
      return "wrong before, right after learning, not lost";
    case Fate::never_learned:
      return "not learned";
    case Fate::always_right:
      return "right throughout";
  }
  return "";
}

std::vector<SampleHistory> choose_samples(const std::vector<Sample>& samples, size_t per_task) {
  std::map<std::pair<int64_t, int64_t>, SampleHistory> by_row;
  for (const Sample& sample : samples) {
    SampleHistory& history = by_row[{sample.on_task, sample.row}];
    history.on_task = sample.on_task;
    history.row = sample.row;
    history.prompt = sample.prompt;
    history.expected = sample.expected;
    history.stages.push_back({sample.after_task, sample.generated,
                              trimmed(sample.generated) == trimmed(sample.expected)});
  }
  std::vector<SampleHistory> all;
  for (auto& [key, history] : by_row) {
    std::stable_sort(
        history.stages.begin(), history.stages.end(),
        [](const SampleStage& a, const SampleStage& b) { return a.after_task < b.after_task; });
    history.fate = fate_of(history);
    all.push_back(std::move(history));
  }
  std::stable_sort(all.begin(), all.end(), [](const SampleHistory& a, const SampleHistory& b) {
    return std::tie(a.on_task, a.fate, a.row) < std::tie(b.on_task, b.fate, b.row);
  });
  std::map<int64_t, size_t> shown;
  std::vector<SampleHistory> chosen;
  for (SampleHistory& history : all) {
    if (shown[history.on_task]++ < per_task) chosen.push_back(std::move(history));
  }
  return chosen;
}

}  // namespace lethe
