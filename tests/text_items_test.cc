// Records as prompts and responses: what is left out, refused, and how splits are cut.
#include "experiments/streams/text_items.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "tests/files.h"

using namespace lethe;

namespace {

/// `rows` records with prompt p0, p1, ... and responses a and b in turn, as JSON Lines.
std::string lines(int rows) {
  std::string text;
  for (int row = 0; row < rows; ++row) {
    text += "{\"p\": \"p" + std::to_string(row) + "\", \"r\": \"" + (row % 2 == 0 ? "a" : "b") +
            "\"}\n";
  }
  return text;
}

TextTaskSpec task_of(const std::string& file) {
  TextTaskSpec task;
  task.name = "t";
  task.file = file;
  task.prompt = "{p}";
  task.response = "{r}";
  return task;
}

/// What `call` says, the folder of its files left out.
template <class Call>
std::string refusal(const Scratch& scratch, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    std::string said = error.what();
    const std::string folder = scratch.folder() + "/";
    for (size_t at; (at = said.find(folder)) != std::string::npos;) said.erase(at, folder.size());
    return said;
  }
  return "accepted";
}

std::string refusal(const Scratch& scratch, const TextTaskSpec& task) {
  return refusal(scratch, [&] {
    LeftOut left_out;
    read_splits(task, {}, left_out);
  });
}

std::vector<std::string> prompts(const std::vector<TextItem>& items) {
  std::vector<std::string> found;
  for (const TextItem& item : items) found.push_back(item.prompt);
  return found;
}

}  // namespace

TEST_CASE("items know the place and the number of their record") {
  const Scratch scratch;
  LeftOut left_out;
  const std::string path = scratch.write("a.csv", "p,r\n\"x\ny\",a\nz,b\n");
  const auto items = read_items(task_of(path), path, left_out);
  REQUIRE(items.size() == 2);
  CHECK(items[0].prompt == "x\ny");
  CHECK(items[1].place == path + ":4");
  CHECK(items[1].record == 1);
  const std::string array =
      scratch.write("a.json", "[\n  {\"p\": \"1\",\n   \"r\": \"a\"},\n  {\"p\": \"2\"}, {}]");
  CHECK(refusal(scratch, [&] { read_items(task_of(array), array, left_out); }) ==
        "a.json:4: the record has no field 'r', which the template of task 't' names; its "
        "fields: p");
}

TEST_CASE(
    "an empty response and invalid UTF-8 are errors with their place, or skipped and counted") {
  const Scratch scratch;
  const std::string empty = scratch.write("e.jsonl", R"({"p": "1", "r": ""})");
  const std::string bad = scratch.write("b.csv", "p,r\nx\xff,a\ny,b\n");
  LeftOut left_out;
  CHECK(refusal(scratch, [&] { read_items(task_of(empty), empty, left_out); }) ==
        "e.jsonl:1: the response of task 't' is empty; set skip = true to leave such rows out, "
        "counted");
  CHECK(refusal(scratch, [&] { read_items(task_of(bad), bad, left_out); }) ==
        "b.csv:2: invalid UTF-8 at byte 2 of the record; save the file as UTF-8, or set skip = "
        "true to leave such rows out");
  CHECK(left_out.empty());
  TextTaskSpec skipping = task_of(bad);
  skipping.skip = true;
  CHECK(prompts(read_items(skipping, bad, left_out)) == std::vector<std::string>{"y"});
  CHECK(read_items(skipping, empty, left_out).empty());
  CHECK(left_out == LeftOut{{"with an empty response", 1}, {"with invalid UTF-8", 1}});
}

TEST_CASE("a JSON array with invalid UTF-8 is refused at its line") {
  const Scratch scratch;
  const std::string path = scratch.write("a.json", "[\n{\"p\": \"\xff\"}]");
  LeftOut left_out;
  CHECK(refusal(scratch, [&] { read_items(task_of(path), path, left_out); }) ==
        "a.json:2: invalid UTF-8 at byte 8 of the line; save the file as UTF-8");
}

TEST_CASE("responses to leave out are counted, also where labels would not allow them") {
  const Scratch scratch;
  const std::string path = scratch.write(
      "a.jsonl", "{\"p\":\"1\",\"r\":\"-\"}\n{\"p\":\"2\",\"r\":\"a\"}\n{\"p\":\"3\",\"r\":\"-\"}");
  TextTaskSpec task = task_of(path);
  task.labels = {"a", "b"};
  task.leave_out = {"-"};
  LeftOut left_out;
  CHECK(prompts(read_items(task, path, left_out)) == std::vector<std::string>{"2"});
  CHECK(left_out == LeftOut{{"with the response '-'", 2}});
}

TEST_CASE("ranges of records cut one file, validation out of the training records") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch.write("a.jsonl", lines(20)));
  task.train_records = "4:14";
  task.test_records = "14:20";
  LeftOut left_out;
  TextSplits splits = read_splits(task, {}, left_out);
  CHECK(prompts(splits.test) == std::vector<std::string>{"p14", "p15", "p16", "p17", "p18", "p19"});
  CHECK(splits.train.size() == 9);
  CHECK(splits.validation.size() == 1);
  task.validation_records = "0:3";
  splits = read_splits(task, {}, left_out);
  CHECK(prompts(splits.validation) == std::vector<std::string>{"p0", "p1", "p2"});
  CHECK(splits.train.size() == 10);
  CHECK(splits.train.front().prompt == "p4");  // no shuffle where nothing is cut
}

TEST_CASE("ranges that are none, overlap, or leave records open are refused") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch.write("a.jsonl", lines(20)));
  task.train_records = "0:10";
  CHECK(refusal(scratch, task) ==
        "text task 't' needs train_records and test_records, of one file; a range of one split "
        "leaves the other's records open");
  task.test_records = "10";
  CHECK(refusal(scratch, task) ==
        "test_records = '10' of text task 't' is no range of records; expected FIRST:END, as in "
        "0:5000");
  task.test_records = "10:10";
  CHECK(refusal(scratch, task).find("is no range of records") != std::string::npos);
  task.test_records = "9:20";
  CHECK(refusal(scratch, task) ==
        "train_records and test_records of text task 't' share records; give every split records "
        "of its own");
  task.test_records = "10:21";
  CHECK(refusal(scratch, task) ==
        "test_records of text task 't' ends at 21, but a.jsonl has 20 records; end it there");
}

TEST_CASE("records that are left out keep the numbers of the others") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch.write("a.jsonl", lines(10)));
  task.leave_out = {"b"};
  task.train_records = "0:6";
  task.test_records = "6:10";
  LeftOut left_out;
  CHECK(prompts(read_splits(task, {}, left_out).test) == std::vector<std::string>{"p6", "p8"});
}

TEST_CASE("records of one group stay in one split") {
  const Scratch scratch;
  std::string text;
  for (int row = 0; row < 60; ++row) {
    text +=
        "{\"p\": \"g" + std::to_string(row % 7) + "\", \"r\": \"" + std::to_string(row) + "\"}\n";
  }
  TextTaskSpec task = task_of(scratch.write("a.jsonl", text));
  task.group = "{p}";
  LeftOut left_out;
  const TextSplits splits =
      read_splits(task, {.validation = 0.1, .test = 0.3, .seed = 5}, left_out);
  std::vector<std::set<std::string>> groups;
  size_t rows = 0;
  for (const auto* items : {&splits.train, &splits.validation, &splits.test}) {
    const auto found = prompts(*items);
    groups.emplace_back(found.begin(), found.end());
    rows += items->size();
  }
  CHECK(rows == 60);
  CHECK(groups[0].size() + groups[1].size() + groups[2].size() == 7);
  CHECK(splits.test.size() >= 18);  // 0.3 of 60, then to the end of the group
  CHECK(splits.validation.size() >= 6);
}

TEST_CASE("each split is limited by itself, and the limits change no other split") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch.write("a.jsonl", lines(40)));
  LeftOut left_out;
  const TextSplits whole = read_splits(task, {}, left_out);
  task.train_rows = 5;
  task.test_rows = 2;
  const TextSplits some = read_splits(task, {}, left_out);
  CHECK(some.train.size() == 5);
  CHECK(some.test.size() == 2);
  CHECK(prompts(some.validation) == prompts(whole.validation));
  CHECK(some.test[1].prompt == whole.test[1].prompt);
}

TEST_CASE("a task's text has what differs from the defaults, by content and never by path") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch.write("a.jsonl", lines(4)));
  OptionMap text = text_task_text(task);
  CHECK(text == OptionMap{{"name", "t"},
                          {"data", text_data_digest(task)},
                          {"prompt", "{p}"},
                          {"response", "{r}"},
                          {"metric", "exact_match"}});
  task.skip = true;
  task.stop = {"\n", "#"};
  text = text_task_text(task);
  CHECK(text.at("skip") == "true");
  CHECK(text.at("stop.1") == "#");
}
