#include "experiments/streams/text_items.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/formats/records.h"
#include "experiments/streams/text_template.h"

namespace lethe {
namespace {

bool among(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

std::vector<TextItem> read_items(const TextTaskSpec& task, const std::string& file,
                                 LeftOut& left_out) {
  std::vector<TextItem> items;
  int64_t number = -1;
  for (const PlacedRecord& record : read_placed_records(file)) {
    ++number;
    const RecordPlace place{record.place, task.name};
    if (!record.fault.empty()) {
      if (!task.skip) {
        fail("{}: {}; save the file as UTF-8, or set skip = true to leave such rows out",
             record.place, record.fault);
      }
      ++left_out["with invalid UTF-8"];
      continue;
    }
    TextItem item;
    item.response = fill_template(task.response, record.fields, place);
    if (among(task.leave_out, item.response)) {
      ++left_out[fmt::format("with the response '{}'", item.response)];
      continue;
    }
    if (item.response.empty()) {
      if (!task.skip) {
        fail(
            "{}: the response of task '{}' is empty; set skip = true to leave such rows out, "
            "counted",
            record.place, task.name);
      }
      ++left_out["with an empty response"];
      continue;
    }
    if (!task.labels.empty() && !among(task.labels, item.response)) {
      fail("{}: the label '{}' is none that task '{}' allows; allowed: {}", record.place,
           item.response, task.name, fmt::join(task.labels, ", "));
    }
    item.prompt = fill_template(task.prompt, record.fields, place);
    item.second = fill_template(task.second, record.fields, place);
    if (!task.group.empty()) item.group = fill_template(task.group, record.fields, place);
    item.place = record.place;
    item.record = number;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace lethe
