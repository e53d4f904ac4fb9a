#include "experiments/growing_text.h"

#include <algorithm>

#include "core/text/made_text.h"
#include "experiments/predict_rows.h"

namespace lethe {
namespace {

/// A character has at most four bytes: ids beyond so many wait for nothing that comes.
constexpr size_t kMostWaiting = 8;
/// Ids before the new ones that are decoded with them: a text of SentencePiece loses the space of a
/// piece that stands first.
constexpr size_t kContext = 8;

}  // namespace

void GrowingText::grow(const std::vector<int64_t>& ids) {
  const auto at = [&ids](size_t place) { return ids.begin() + static_cast<int64_t>(place); };
  const std::string now = made_text(*tokenizer_, {at(from_), ids.end()});
  if (now.size() < before_.size()) return;
  const bool whole = fresh_text(now, before_.size()).size() == now.size() - before_.size();
  if (!whole && ids.size() - settled_ < kMostWaiting) return;
  text_ += now.substr(before_.size());
  settled_ = ids.size();
  before_ = now;
  if (settled_ - from_ < 2 * kContext) return;
  from_ = settled_ - kContext;
  before_ = made_text(*tokenizer_, {at(from_), ids.end()});
}

size_t new_stop(const std::string& text, size_t seen, const std::vector<std::string>& stops) {
  size_t first = std::string::npos;
  for (const std::string& stop : stops) {
    const size_t from = seen < stop.size() ? 0 : seen - stop.size() + 1;
    first = std::min(first, text.find(stop, from));
  }
  return first;
}

}  // namespace lethe
