#include "experiments/streams/text_encode.h"

#include <algorithm>

#include "core/error.h"
#include "core/formats/records.h"
#include "core/formats/utf8.h"
#include "core/text/pair_rows.h"

namespace lethe {
namespace {

std::string whole_text(const std::string& file) {
  std::string text = file_text(file);
  if (const auto bad = invalid_utf8_at(text)) {
    fail("{}: invalid UTF-8 at byte {}; save the file as UTF-8", file, *bad + 1);
  }
  return text;
}

void limit(std::vector<TextRow>& rows, int64_t most) {
  if (most > 0 && static_cast<int64_t>(rows.size()) > most) rows.resize(static_cast<size_t>(most));
}

TextRow row_of(const TextTaskSpec& task, const RowLimits& limits, const std::string& prompt,
               const std::string& response) {
  const bool pairs = limits.form == RowForm::pairs;
  TextRow row = pairs ? pair_row(limits.tokenizer, prompt, response)
                      : text_row(limits.tokenizer, prompt, response);
  if (!task.end_mark) row.response.pop_back();
  return row;
}

/// How many tokens have to stand before a response in the same sequence.
int64_t tokens_kept(const TextTaskSpec& task, const RowLimits& limits) {
  if (limits.form == RowForm::pairs) return 0;
  return task.predict == "response" || !limits.tokenizer.marks().before.empty() ? 1 : 0;
}

RowSplits text_splits(const TextTaskSpec& task, const RowLimits& limits) {
  files_of(task);
  const bool apart = task.file.empty();
  const std::string text = whole_text(apart ? task.train : task.file);
  SplitShares shares = limits.shares;
  if (apart) shares.test = 0;
  if (!task.validation.empty()) shares.validation = 0;
  const TextParts parts = text_parts(text, shares, task.separator);
  const auto of_file = [&](const std::string& file) {
    return text_windows(task, whole_text(file), limits);
  };
  RowSplits rows;
  rows.train = text_windows(task, parts.train, limits);
  rows.validation = task.validation.empty() ? text_windows(task, parts.validation, limits)
                                            : of_file(task.validation);
  rows.test = apart ? of_file(task.test) : text_windows(task, parts.test, limits);
  limit(rows.train, task.train_rows);
  limit(rows.validation, task.validation_rows);
  limit(rows.test, task.test_rows);
  return rows;
}

}  // namespace

std::vector<std::vector<int64_t>> label_ids(const TextTaskSpec& task, const RowLimits& limits) {
  std::vector<std::vector<int64_t>> all;
  for (const std::string& label : task.labels) {
    all.push_back(row_of(task, limits, "", label).response);
  }
  return all;
}

std::vector<TextRow> encoded(const TextTaskSpec& task, const std::vector<TextItem>& items,
                             const RowLimits& limits, LeftOut& left_out) {
  size_t longest_label = 0;
  for (const auto& ids : label_ids(task, limits)) {
    longest_label = std::max(longest_label, ids.size());
  }
  const int64_t kept = tokens_kept(task, limits);
  std::vector<TextRow> rows;
  for (const TextItem& item : items) {
    TextRow row = row_of(task, limits, item.prompt, item.response);
    const auto needed = static_cast<int64_t>(std::max(row.response.size(), longest_label));
    if (kept + needed <= limits.max_length) {
      rows.push_back(std::move(row));
    } else if (task.skip) {
      ++left_out[fmt::format("with a response too long for max_length = {}", limits.max_length)];
    } else {
      fail(
          "{}: the response of task '{}' takes {} tokens, end mark included,{} but max_length is "
          "{}; raise max_length to {} or shorten the response, or set skip = true to leave such "
          "rows out, counted",
          item.place, task.name, needed,
          limits.form == RowForm::pairs
              ? ""
              : fmt::format(" and at least {} of its prompt stand before it,", kept),
          limits.max_length, kept + needed);
    }
  }
  return rows;
}

std::vector<TextRow> read_id_rows(const TextTaskSpec& task, const std::string& file,
                                  const RowLimits& limits, LeftOut& left_out) {
  TextTaskSpec records = task;  // the list of ids stands in the place of a response
  records.prompt.clear();
  records.response = "{" + task.ids + "}";
  records.labels.clear();
  std::vector<TextRow> rows;
  for (const TextItem& item : read_items(records, file, left_out)) {
    TextRow row;
    const int64_t vocabulary = limits.tokenizer.vocabulary_size();
    const auto ids = read_ids(item.response);
    if (!ids || ids->size() < 2) {
      fail("{}: the field '{}' holds no list of two token ids or more; expected one as in [1, 403]",
           item.place, task.ids);
    }
    for (const int64_t id : *ids) {
      if (id >= 0 && id < vocabulary) continue;
      fail("{}: token id {} is outside the tokenizer's vocabulary; expected 0 to {}", item.place,
           id, vocabulary - 1);
    }
    if (static_cast<int64_t>(ids->size()) > limits.max_length) {
      if (!task.skip) {
        fail("{}: {} token ids, but max_length is {}; raise it, or set skip = true", item.place,
             ids->size(), limits.max_length);
      }
      ++left_out[fmt::format("with more ids than max_length = {}", limits.max_length)];
      continue;
    }
    rows.push_back(halved(*ids));
  }
  return rows;
}

RowSplits row_splits(const TextTaskSpec& task, const RowLimits& limits, LeftOut& left_out) {
  if (task.form == "text") return text_splits(task, limits);
  if (task.form == "ids") {
    fail("text task '{}' is of the form ids, which only a probe can be; expected records or text",
         task.name);
  }
  const TextSplits items = read_splits(task, limits.shares, left_out);
  return {encoded(task, items.train, limits, left_out),
          encoded(task, items.validation, limits, left_out),
          encoded(task, items.test, limits, left_out)};
}

std::vector<TextItem> probe_items(const TextTaskSpec& probe, const SplitShares& shares,
                                  LeftOut& left_out) {
  if (!probe.test_records.empty()) return read_splits(probe, shares, left_out).test;
  files_of(probe);
  return read_items(probe, probe.file.empty() ? probe.test : probe.file, left_out);
}

std::vector<TextRow> probe_rows(const TextTaskSpec& probe, const RowLimits& limits,
                                LeftOut& left_out) {
  files_of(probe);
  const std::string& file = probe.file.empty() ? probe.test : probe.file;
  std::vector<TextRow> rows;
  if (probe.form == "text") {
    rows = text_windows(probe, whole_text(file), limits);
  } else if (probe.form == "ids") {
    rows = read_id_rows(probe, file, limits, left_out);
  } else {
    rows = encoded(probe, probe_items(probe, limits.shares, left_out), limits, left_out);
  }
  limit(rows, probe.test_rows);
  return rows;
}

}  // namespace lethe
