// Windows over plain text, and rows that are lists of ids.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/formats/utf8.h"
#include "experiments/streams/text_encode.h"

namespace lethe {
namespace {

std::vector<std::string_view> documents(std::string_view text, const std::string& separator) {
  if (separator.empty()) return {text};
  std::vector<std::string_view> found;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    const std::string_view document = trimmed(text.substr(at, end - at));
    if (!document.empty()) found.push_back(document);
    at = end + separator.size();
  }
  return found;
}

// The start of the first line (or document) at or after byte `at`.
size_t next_start(std::string_view text, size_t at, const std::string& separator) {
  if (at == 0 || at >= text.size()) return std::min(at, text.size());
  const std::string mark = separator.empty() ? "\n" : separator;
  const size_t from = at < mark.size() ? 0 : at - mark.size();
  const size_t found = text.find(mark, from);
  return found == std::string_view::npos ? text.size() : found + mark.size();
}

}  // namespace

TextRow halved(const std::vector<int64_t>& ids) {
  const auto half = ids.begin() + static_cast<int64_t>(ids.size() / 2);
  return {{ids.begin(), half}, {half, ids.end()}};
}

std::optional<std::vector<int64_t>> read_ids(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  std::vector<int64_t> ids;
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size() - 1;
  while (at < end) {
    const auto [rest, error] = std::from_chars(at, end, ids.emplace_back());
    if (error != std::errc() || (rest != end && *rest != ',')) return std::nullopt;
    at = rest == end ? end : rest + 1;
  }
  return ids;
}

std::vector<TextRow> text_windows(const TextTaskSpec& task, std::string_view text,
                                  const RowLimits& limits) {
  const int64_t window = task.window == 0 ? limits.max_length : task.window;
  if (window < 2 || window > limits.max_length) {
    fail("window = {} of text task '{}' is out of range; expected 2 to max_length = {}", window,
         task.name, limits.max_length);
  }
  const std::vector<int64_t> before = limits.tokenizer.marks().before;
  const int64_t held = window - static_cast<int64_t>(before.size());
  if (held < 1) {
    fail("window = {} of text task '{}' has no room after the tokenizer's {} marks; raise it",
         window, task.name, before.size());
  }
  const int64_t stride = task.stride == 0 ? held : task.stride;
  std::vector<TextRow> rows;
  for (const std::string_view document : documents(text, task.separator)) {
    const std::vector<int64_t> ids = limits.tokenizer.encode(document);
    const auto count = static_cast<int64_t>(ids.size());
    for (int64_t start = 0; start < count; start += stride) {
      const int64_t end = std::min(start + held, count);
      std::vector<int64_t> row = before;
      row.insert(row.end(), ids.begin() + start, ids.begin() + end);
      if (row.size() > 1) rows.push_back(halved(row));
      if (end == count) break;
    }
  }
  return rows;
}

TextParts text_parts(std::string_view text, const SplitShares& shares,
                     const std::string& separator) {
  const auto bytes = static_cast<double>(text.size());
  const auto cut = [&](double share) {
    return next_start(text, static_cast<size_t>(std::llround(bytes * (1 - share))), separator);
  };
  const size_t test = cut(shares.test), validation = cut(shares.test + shares.validation);
  return {text.substr(0, validation), text.substr(validation, test - validation),
          text.substr(test)};
}

}  // namespace lethe
