#include <charconv>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/random.h"
#include "experiments/streams/text_items.h"

namespace lethe {
namespace {

using Items = std::vector<TextItem>;

// Records first to end - 1.
struct RecordRange {
  std::string key;
  int64_t first = 0, end = 0;
};

std::optional<RecordRange> range_of(const TextTaskSpec& task, const char* key,
                                    const std::string& text) {
  if (text.empty()) return std::nullopt;
  RecordRange range{key};
  const char* const end = text.data() + text.size();
  const auto [colon, first_error] = std::from_chars(text.data(), end, range.first);
  const bool parted = first_error == std::errc() && colon != end && *colon == ':';
  if (parted) {
    const auto [rest, error] = std::from_chars(colon + 1, end, range.end);
    if (error == std::errc() && rest == end && range.first >= 0 && range.first < range.end) {
      return range;
    }
  }
  fail("{} = '{}' of text task '{}' is no range of records; expected FIRST:END, as in 0:5000", key,
       text, task.name);
}

Items in_range(const Items& items, const RecordRange& range) {
  Items chosen;
  for (const TextItem& item : items) {
    if (item.record >= range.first && item.record < range.end) chosen.push_back(item);
  }
  return chosen;
}

void check_apart(const TextTaskSpec& task, const std::vector<RecordRange>& ranges) {
  for (size_t a = 0; a < ranges.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (ranges[a].end <= ranges[b].first || ranges[b].end <= ranges[a].first) continue;
      fail("{} and {} of text task '{}' share records; give every split records of its own",
           ranges[b].key, ranges[a].key, task.name);
    }
  }
}

void check_within(const TextTaskSpec& task, const RecordRange& range, int64_t records) {
  if (range.end <= records) return;
  fail("{} of text task '{}' ends at {}, but {} has {} records; end it there", range.key, task.name,
       range.end, task.file, records);
}

// Moves `part` of the `whole` number of rows off the end of `rows`, at least one where it is above
// 0; with groups as many whole groups as that takes.
Items take(Items& rows, double part, size_t whole) {
  const auto wanted = static_cast<size_t>(std::llround(part * static_cast<double>(whole)));
  size_t count = std::min(rows.size(), std::max<size_t>(part > 0 ? 1 : 0, wanted));
  const auto splits_group = [&] {
    const size_t at = rows.size() - count;
    return count > 0 && at > 0 && !rows[at].group.empty() && rows[at].group == rows[at - 1].group;
  };
  while (splits_group()) ++count;
  Items taken(std::make_move_iterator(rows.end() - static_cast<int64_t>(count)),
              std::make_move_iterator(rows.end()));
  rows.resize(rows.size() - count);
  return taken;
}

// Files are often sorted by label, so that a cut without this would leave labels out. Records of a
// group stay together.
void shuffle(Items& rows, int64_t seed) {
  Random random(static_cast<uint64_t>(seed));
  if (rows.empty() || rows[0].group.empty()) {
    random.shuffle(rows);
    return;
  }
  std::vector<Items> groups;
  std::map<std::string, size_t> place;
  for (TextItem& row : rows) {
    const auto [found, fresh] = place.emplace(row.group, groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].push_back(std::move(row));
  }
  random.shuffle(groups);
  rows.clear();
  for (Items& group : groups) {
    for (TextItem& row : group) rows.push_back(std::move(row));
  }
}

void limit(Items& rows, int64_t most) {
  if (most > 0 && static_cast<int64_t>(rows.size()) > most) rows.resize(static_cast<size_t>(most));
}

}  // namespace

TextSplits read_splits(const TextTaskSpec& task, const SplitShares& shares, LeftOut& left_out) {
  files_of(task);
  const auto train = range_of(task, "train_records", task.train_records);
  const auto validation = range_of(task, "validation_records", task.validation_records);
  const auto test = range_of(task, "test_records", task.test_records);
  std::vector<RecordRange> ranges;
  for (const auto& range : {train, validation, test}) {
    if (range) ranges.push_back(*range);
  }
  TextSplits splits;
  const bool apart = task.file.empty();
  if (!ranges.empty()) {
    if (apart || !train || !test) {
      fail(
          "text task '{}' needs train_records and test_records, of one file; a range of one split "
          "leaves the other's records open",
          task.name);
    }
    check_apart(task, ranges);
    const Items all = read_items(task, task.file, left_out);
    auto records = static_cast<int64_t>(all.size());
    for (const auto& [reason, count] : left_out) records += count;
    for (const RecordRange& range : ranges) check_within(task, range, records);
    splits.train = in_range(all, *train);
    splits.test = in_range(all, *test);
    if (validation) splits.validation = in_range(all, *validation);
  } else {
    splits.train = read_items(task, apart ? task.train : task.file, left_out);
  }
  const size_t whole = splits.train.size();
  const bool given = validation || !task.validation.empty();
  if (!given) shuffle(splits.train, shares.seed);
  if (apart) splits.test = read_items(task, task.test, left_out);
  if (ranges.empty() && !apart) splits.test = take(splits.train, shares.test, whole);
  if (!task.validation.empty()) splits.validation = read_items(task, task.validation, left_out);
  if (!given) splits.validation = take(splits.train, shares.validation, whole);
  limit(splits.train, task.train_rows);
  limit(splits.validation, task.validation_rows);
  limit(splits.test, task.test_rows);
  return splits;
}

}  // namespace lethe
