#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include <set>

#include "core/digest.h"
#include "core/error.h"
#include "core/text/text_rows.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_template.h"
#include "tests/files.h"

using lethe::fill_template;
using lethe::make_text_stream;
using lethe::RowsPtr;
using lethe::TaskStream;
using lethe::TextRows;
using lethe::TextStreamOptions;
using lethe::TextTaskSpec;

namespace {

/// `rows` records "line i" with labels good and bad in turn, as CSV.
std::string films(int rows, int first = 0) {
  std::string csv = "sentence,label\n";
  for (int row = first; row < first + rows; ++row) {
    csv += "line " + std::to_string(row) + "," + (row % 2 == 0 ? "good" : "bad") + "\n";
  }
  return csv;
}

TextTaskSpec films_task(const std::string& file) {
  return {
      .name = "films", .file = file, .prompt = "{sentence}\nAnswer:", .labels = {"good", "bad"}};
}

const TextRows& text(const RowsPtr& rows) { return dynamic_cast<const TextRows&>(*rows); }

std::set<std::string> prompts(const RowsPtr& rows) {
  std::set<std::string> found;
  for (int64_t row = 0; row < rows->size(); ++row) found.insert(text(rows).prompt(row));
  return found;
}

/// What making the stream says, the folder of its files left out.
std::string refusal(const TextTaskSpec& task, const Scratch& scratch,
                    TextStreamOptions options = {}) {
  try {
    make_text_stream({task}, options);
  } catch (const lethe::Error& error) {
    std::string said = error.what();
    const std::string folder = scratch.folder() + "/";
    for (size_t at; (at = said.find(folder)) != std::string::npos;) said.erase(at, folder.size());
    return said;
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a template takes fields in braces and doubled braces as plain ones") {
  const lethe::Record record = {{"a", "1"}, {"b c", "{2}"}};
  CHECK(fill_template("{a}-{b c}-{a}", record, {}) == "1-{2}-1");
  CHECK(fill_template("{{a}} {{{a}}}", record, {}) == "{a} {1}");
  CHECK(fill_template("", record, {}).empty());
}

TEST_CASE("a brace without its partner is refused") {
  const std::string said = " without its partner; write a field as {name}, and a plain brace twice";
  CHECK_THROWS_WITH(fill_template("{a", {{"a", "1"}}, {"f.csv:2", "films"}),
                    "the template '{a' of task 'films' has a '{'" + said);
  CHECK_THROWS_WITH(fill_template("a} b", {{"a", "1"}}, {"f.csv:2", "films"}),
                    "the template 'a} b' of task 'films' has a '}'" + said);
}

TEST_CASE("one file is split into disjoint parts of the sizes asked for, the same every time") {
  const Scratch scratch;
  const TextTaskSpec task = films_task(scratch.write("films.csv", films(50)));
  const TaskStream stream = make_text_stream({task}, {});
  REQUIRE(stream.tasks.size() == 1);
  const lethe::Task& made = stream.tasks[0];
  CHECK(made.train->size() == 35);
  CHECK(made.validation->size() == 5);
  CHECK(made.test->size() == 10);
  std::set<std::string> all;
  for (const RowsPtr& rows : {made.train, made.validation, made.test}) all.merge(prompts(rows));
  CHECK(all.size() == 50);
  CHECK(all.count("line 7\nAnswer:") == 1);
  CHECK(stream.warnings.empty());
  CHECK(stream.name == "text");

  CHECK(prompts(make_text_stream({task}, {}).tasks[0].test) == prompts(made.test));
  CHECK(prompts(make_text_stream({task}, {.split_seed = 2}).tasks[0].test) != prompts(made.test));
}

TEST_CASE("a row's prompt and response come from the templates") {
  const Scratch scratch;
  TextTaskSpec task = films_task(scratch.write("films.csv", films(10)));
  task.response = " {label}!";
  task.labels.clear();
  const TaskStream stream = make_text_stream({task}, {});
  const TextRows& rows = text(stream.tasks[0].train);
  const bool even = (rows.prompt(0)[5] - '0') % 2 == 0;
  CHECK(rows.prompt(0).substr(6) == "\nAnswer:");
  CHECK(rows.expected(0) == (even ? " good!" : " bad!"));
  CHECK(stream.tasks[0].metric.name == "exact_match");
}

TEST_CASE("given files keep their order, and row ids run through the whole stream") {
  const Scratch scratch;
  TextTaskSpec task = films_task("");
  task.train = scratch.write("train.jsonl",
                             "{\"sentence\": \"one\", \"label\": \"good\"}\n"
                             "{\"sentence\": \"two\", \"label\": \"bad\"}\n");
  task.validation = scratch.write("validation.json", R"([{"sentence": "three", "label": "bad"}])");
  task.test = scratch.write("test.csv", "label,sentence\ngood,four\n");
  TextTaskSpec second = task;
  second.name = "again";
  second.metric = "loss";
  const TaskStream stream = make_text_stream({task, second}, {});
  const lethe::Task& made = stream.tasks[0];
  CHECK(text(made.train).prompt(0) == "one\nAnswer:");
  CHECK(text(made.train).prompt(1) == "two\nAnswer:");
  CHECK(text(made.validation).prompt(0) == "three\nAnswer:");
  CHECK(text(made.test).prompt(0) == "four\nAnswer:");
  CHECK(text(made.test).expected(0) == "good");
  CHECK(made.train->first_id() == 0);
  CHECK(made.validation->first_id() == 2);
  CHECK(made.test->first_id() == 3);
  CHECK(stream.tasks[1].train->first_id() == 4);
  CHECK(stream.tasks[1].metric.unit == "nats");
  CHECK_FALSE(stream.tasks[1].metric.higher_is_better);
}

TEST_CASE("validation rows are cut from the training file where no file has them") {
  const Scratch scratch;
  TextTaskSpec task = films_task("");
  task.train = scratch.write("train.csv", films(20));
  task.test = scratch.write("test.csv", films(6, 20));
  const lethe::Task made = make_text_stream({task}, {}).tasks[0];
  CHECK(made.train->size() == 18);
  CHECK(made.validation->size() == 2);
  CHECK(made.test->size() == 6);
}

TEST_CASE("a label outside the list names file, record, value and what is allowed") {
  const Scratch scratch;
  const TextTaskSpec task =
      films_task(scratch.write("films.csv", "sentence,label\none,good\ntwo,fine\n"));
  CHECK(refusal(task, scratch) ==
        "films.csv:3: the label 'fine' is none that task 'films' allows; allowed: good, bad");
}

TEST_CASE("an unknown field names the field, the record and the fields there are") {
  const Scratch scratch;
  TextTaskSpec task = films_task(scratch.write("films.csv", films(10)));
  task.prompt = "{sentense}\nAnswer:";
  CHECK(refusal(task, scratch) ==
        "films.csv:2: the record has no field 'sentense', which the template of task 'films' "
        "names; its fields: label, sentence");
}

TEST_CASE("an unknown metric, and files that do not make three splits, are refused") {
  const Scratch scratch;
  const std::string file = scratch.write("films.csv", films(10));
  TextTaskSpec task = films_task(file);
  task.metric = "bleu";
  CHECK(refusal(task, scratch) ==
        "metric 'bleu' of text task 'films' is unknown; known metrics: loss, token_accuracy, "
        "exact_match, label_accuracy, generated_match, number_match, rouge_l, edit_similarity");
  const std::string expected =
      "; expected file alone, or train and test with or without validation";
  task = films_task("");
  CHECK(refusal(task, scratch) == "text task 'films' has no file" + expected);
  task.train = file;
  CHECK(refusal(task, scratch) == "text task 'films' has train" + expected);
  task.file = file;
  CHECK(refusal(task, scratch) == "text task 'films' has file and train" + expected);
}

TEST_CASE("a file too small for three splits is refused") {
  const Scratch scratch;
  const TextTaskSpec task = films_task(scratch.write("films.csv", films(2)));
  CHECK(
      refusal(task, scratch) ==
      "stream 'text', task 'films' has no training rows; every task needs training, validation and "
      "test rows");
}

TEST_CASE("rows shared by training and test give a warning") {
  const Scratch scratch;
  TextTaskSpec task = films_task("");
  task.train = scratch.write("train.csv", films(10));
  task.validation = scratch.write("validation.csv", films(3, 30));
  task.test = scratch.write("test.csv", films(4, 8));
  CHECK(make_text_stream({task}, {}).warnings ==
        std::vector<std::string>{"task 'films': 2 of 4 test rows also stand among the training "
                                 "rows of task 'films'; scores "
                                 "on them measure memory"});
}

TEST_CASE("max_length cuts prompts from the left and refuses responses that do not fit") {
  const Scratch scratch;
  TextTaskSpec task = films_task(scratch.write("films.csv", films(20)));
  const TaskStream stream = make_text_stream({task}, {.max_length = 12});
  // "good" and the end mark are 5 tokens, "bad" 4; the prompt keeps its last 7 or 8 bytes.
  const TextRows& rows = text(stream.tasks[0].train);
  CHECK(rows.prompt(0) == (rows.expected(0) == "good" ? "Answer:" : "\nAnswer:"));
  for (int64_t row = 0; row < rows.size(); ++row) CHECK(rows.length(row) == 12);
  CHECK(stream.warnings.at(0) ==
        "films train: 14 of 14 prompts lose tokens at their left end to fit max_length = 12");
  // Not 13, though the prompt of 8 tokens could be followed by a generated text of 5.
  CHECK(stream.longest == 12);
  CHECK_THAT(
      refusal(task, scratch, {.max_length = 5}),
      Catch::Contains(
          "takes 5 tokens, end mark included, and at least 1 of its prompt stand before "
          "it, but max_length is 5; raise max_length to 6 or shorten the response, or set skip "
          "= true to leave such rows out, counted"));
}

TEST_CASE("the data digest follows the files' bytes and roles, not their paths") {
  const Scratch scratch;
  const std::string first = scratch.write("a.csv", films(10));
  const std::string copy = scratch.write("b.csv", films(10));
  const std::string other = scratch.write("c.csv", films(11));
  const std::string digest = text_data_digest(films_task(first));
  CHECK(digest == lethe::sha256("file " + lethe::sha256(films(10)) + "\n"));
  CHECK(digest == text_data_digest(films_task(copy)));
  CHECK(digest != text_data_digest(films_task(other)));
}

TEST_CASE("the stream's canonical options name content and templates, never a path") {
  const Scratch scratch;
  const TextTaskSpec task = films_task(scratch.write("films.csv", films(10)));
  const lethe::OptionMap expected = {{"max_length", "256"},
                                     {"split_seed", "1"},
                                     {"test_part", "0.2"},
                                     {"validation_part", "0.1"},
                                     {"task.0.name", "films"},
                                     {"task.0.data", text_data_digest(task)},
                                     {"task.0.prompt", "{sentence}\nAnswer:"},
                                     {"task.0.response", "{label}"},
                                     {"task.0.label.0", "good"},
                                     {"task.0.label.1", "bad"},
                                     {"task.0.metric", "exact_match"}};
  CHECK(lethe::text_stream_text({task}, {}) == expected);
}
