#include "core/text/marked_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"

namespace lethe {
namespace {

using Ids = std::vector<int64_t>;

void append(Ids& ids, const Ids& more) { ids.insert(ids.end(), more.begin(), more.end()); }

void append_end(Ids& ids, const Ids& text, const Marks& marks) {
  append(ids, text);
  const bool there = marks.after_once && text.size() >= marks.after.size() &&
                     std::equal(marks.after.rbegin(), marks.after.rend(), text.rbegin());
  if (!there) append(ids, marks.after);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

Ids encode_marked(const Tokenizer& tokenizer, std::string_view text, int64_t longest) {
  const Marks marks = tokenizer.marks();
  Ids inner = tokenizer.encode(text);
  if (longest > 0) {
    const auto room = longest - static_cast<int64_t>(marks.before.size() + marks.after.size());
    if (room < 0) {
      fail("a row of at most {} ids has no room for the tokenizer's {} marks; raise the limit",
           longest, marks.before.size() + marks.after.size());
    }
    inner.resize(std::min(inner.size(), static_cast<size_t>(room)));
  }
  Ids ids = marks.before;
  append_end(ids, inner, marks);
  return ids;
}

MarkedPair encode_pair(const Tokenizer& tokenizer, std::string_view first,
                       std::string_view second) {
  const Marks marks = tokenizer.marks();
  MarkedPair pair;
  pair.ids = marks.before;
  append(pair.ids, tokenizer.encode(first));
  append(pair.ids, marks.between);
  pair.types.resize(pair.ids.size(), 0);
  append_end(pair.ids, tokenizer.encode(second), marks);
  pair.types.resize(pair.ids.size(), 1);
  return pair;
}

PaddedRows padded(const Tokenizer& tokenizer, std::vector<Ids> rows) {
  size_t width = 0;
  for (const Ids& row : rows) width = std::max(width, row.size());
  PaddedRows result;
  for (Ids& row : rows) {
    Ids mask(row.size(), 1);
    mask.resize(width, 0);
    if (row.size() < width) row.resize(width, tokenizer.pad_id());
    result.ids.push_back(std::move(row));
    result.mask.push_back(std::move(mask));
  }
  return result;
}

std::string without_extra_spaces(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kChanges = {
      {{" .", "."},
       {" ?", "?"},
       {" !", "!"},
       {" ,", ","},
       {" ' ", "'"},
       {" n't", "n't"},
       {" 'm", "'m"},
       {" 's", "'s"},
       {" 've", "'ve"},
       {" 're", "'re"}}};
  std::string result(text);
  for (const auto& [from, to] : kChanges) replace_all(result, from, to);
  return result;
}

}  // namespace lethe
