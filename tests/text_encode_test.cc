#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "core/error.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_encode.h"
#include "tests/files.h"
#include "tests/toys.h"

using namespace lethe;
using Ids = std::vector<int64_t>;

namespace {

/// One id a byte: 2 + byte.
const WordTokenizer& byte_words() {
  static const WordTokenizer tokenizer({});
  return tokenizer;
}

/// The same with a begin mark, id 2.
class BeginningBytes : public WordTokenizer {
 public:
  BeginningBytes() : WordTokenizer({}) {}
  Marks marks() const override { return {.before = {2}}; }
};

TextTaskSpec plain(int64_t window, int64_t stride = 0) {
  TextTaskSpec task;
  task.name = "t";
  task.form = "text";
  task.metric = "loss";
  task.window = window;
  task.stride = stride;
  return task;
}

std::vector<std::string> texts(const std::vector<TextRow>& rows) {
  std::vector<std::string> found;
  for (const TextRow& row : rows) {
    found.push_back(byte_words().decode(row.prompt) + "|" + byte_words().decode(row.response));
  }
  return found;
}

std::vector<std::string> windows(const TextTaskSpec& task, const std::string& text,
                                 const Tokenizer& tokenizer = byte_words()) {
  return texts(text_windows(task, text, {tokenizer, 16}));
}

}  // namespace

TEST_CASE("windows follow one another, the last may be shorter, and one token predicts nothing") {
  CHECK(windows(plain(4), "abcdefghij") == std::vector<std::string>{"ab|cd", "ef|gh", "i|j"});
  CHECK(windows(plain(3), "abcdefg") == std::vector<std::string>{"a|bc", "d|ef"});
  CHECK(windows(plain(4), "").empty());
}

TEST_CASE("a begin mark is a token of its window, so that every token of the text is predicted") {
  const BeginningBytes tokenizer;
  const auto rows = text_windows(plain(4), "abcdefg", {tokenizer, 16});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].prompt == Ids{2, 2 + 'a'});
  CHECK(rows[0].response == Ids{2 + 'b', 2 + 'c'});
  CHECK(rows[2].prompt == Ids{2});
  CHECK(rows[2].response == Ids{2 + 'g'});
}

TEST_CASE("a stride makes windows overlap up to the end of the text") {
  CHECK(windows(plain(4, 2), "abcdefg") == std::vector<std::string>{"ab|cd", "cd|ef", "e|fg"});
}

TEST_CASE("documents have windows of their own, without white space at their ends") {
  TextTaskSpec task = plain(4);
  task.separator = "<end>";
  CHECK(windows(task, "\nabcdef\n<end>\ngh \n<end>\n") ==
        std::vector<std::string>{"ab|cd", "e|f", "g|h"});
}

TEST_CASE("a window outside of max_length is refused") {
  CHECK_THROWS_WITH(windows(plain(17), "abc"),
                    "window = 17 of text task 't' is out of range; expected 2 to max_length = 16");
  CHECK(windows(plain(0), "abc") == std::vector<std::string>{"a|bc"});  // 0 = max_length
}

TEST_CASE("a text is cut at line starts: training, validation, test at the end") {
  const std::string text = "aaaa\nbbbb\ncccc\ndddd\n";
  TextParts parts = text_parts(text, {.validation = 0.25, .test = 0.25}, "");
  CHECK(parts.train == "aaaa\nbbbb\n");
  CHECK(parts.validation == "cccc\n");
  CHECK(parts.test == "dddd\n");
  parts = text_parts(text, {.validation = 0.2, .test = 0.2}, "");  // 16 and 12 move to a line start
  CHECK(parts.test.empty());
  CHECK(parts.validation == "dddd\n");
  parts = text_parts("a<e>b<e>c<e>d", {.validation = 0.2, .test = 0.3}, "<e>");
  CHECK(parts.train == "a<e>b<e>");
  CHECK(parts.validation == "c<e>");
  CHECK(parts.test == "d");
}

TEST_CASE("a plain text becomes a task whose every token is predicted") {
  const Scratch scratch;
  TextTaskSpec task = plain(8);
  std::string text;
  for (int line = 0; line < 40; ++line) text += "line " + std::to_string(100 + line) + "\n";
  task.file = scratch.write("t.txt", text);
  const TaskStream stream = make_text_stream(
      {task}, {.max_length = 8}, std::make_shared<WordTokenizer>(std::vector<std::string>{}));
  const Task& made = stream.tasks[0];
  CHECK(made.metric.name == "loss");
  int64_t tokens = 0;
  for (const auto& rows : {made.train, made.validation, made.test}) {
    for (int64_t row = 0; row < rows->size(); ++row) tokens += rows->length(row);
    const Batch batch = rows->batch({0});
    CHECK(batch.targets.numel() == rows->length(0) - 1);
  }
  CHECK(tokens <= static_cast<int64_t>(text.size()));
  CHECK(tokens >= static_cast<int64_t>(text.size()) - 3);  // a last single token predicts nothing
  CHECK(stream.longest == 8);
}

TEST_CASE("a response that does not fit is an error with its place, or skipped and counted") {
  TextTaskSpec task;
  task.name = "t";
  const std::vector<TextItem> items = {{"p", "abc", "", "f.csv:2"}, {"p", "abcdef", "", "f.csv:3"}};
  LeftOut left_out;
  CHECK_THROWS_WITH(
      encoded(task, items, {byte_words(), 6}, left_out),
      "f.csv:3: the response of task 't' takes 7 tokens, end mark included, and at least 1 of its "
      "prompt stand before it, but max_length is 6; raise max_length to 8 or shorten the response, "
      "or set skip = true to leave such rows out, counted");
  task.skip = true;
  CHECK(encoded(task, items, {byte_words(), 6}, left_out).size() == 1);
  CHECK(left_out == LeftOut{{"with a response too long for max_length = 6", 1}});
  task.end_mark = false;
  CHECK(encoded(task, items, {byte_words(), 8}, left_out)[1].response.size() == 6);
}

TEST_CASE("rows of ids are taken as they are") {
  const Scratch scratch;
  TextTaskSpec task = plain(0);
  task.form = "ids";
  LeftOut left_out;
  const std::string path = scratch.write("i.jsonl", "{\"ids\": [2, 5, 9], \"text\": \"x\"}\n");
  const auto rows = read_id_rows(task, path, {byte_words(), 8}, left_out);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].prompt == Ids{2});
  CHECK(rows[0].response == Ids{5, 9});
  const auto refusal = [&](const std::string& ids) {
    const std::string file = scratch.write("i.jsonl", "{\"ids\": " + ids + "}\n");
    try {
      read_id_rows(task, file, {byte_words(), 3}, left_out);
    } catch (const Error& error) {
      return std::string(error.what()).substr(file.size());
    }
    return std::string("accepted");
  };
  CHECK(refusal("[2, 258]") ==
        ":1: token id 258 is outside the tokenizer's vocabulary; expected 0 to 257");
  CHECK(refusal("[2]") ==
        ":1: the field 'ids' holds no list of two token ids or more; expected one as in [1, 403]");
  CHECK(refusal("\"2, 3\"") == refusal("[2]"));
  CHECK(refusal("[2, 3.5]") == refusal("[2]"));
  CHECK(refusal("[2, 3, 4, 5]") ==
        ":1: 4 token ids, but max_length is 3; raise it, or set skip = true");
}

TEST_CASE("a task that predicts all takes a metric by token, labels a list of labels") {
  const Scratch scratch;
  TextTaskSpec task = plain(4);
  task.file = scratch.write("t.txt", "abc\ndef\n");
  task.metric = "exact_match";
  CHECK_THROWS_WITH(make_text_stream({task}, {}),
                    "text task 't' predicts all tokens and is measured in exact_match; choose "
                    "metric = \"loss\" or \"token_accuracy\"");
  task.form = "records";
  task.metric = "label_accuracy";
  CHECK_THROWS_WITH(make_text_stream({task}, {}),
                    "text task 't' is measured in label_accuracy, but lists no labels; give labels "
                    "= [...]");
  task.form = "ids";
  task.metric = "loss";
  CHECK_THROWS_WITH(make_text_stream({task}, {}),
                    "text task 't' is of the form ids, which only a probe can be; expected records "
                    "or text");
  task.form = "text";
  task.file = scratch.write("t.txt", "abc\n\xff\n");
  CHECK_THROWS_WITH(make_text_stream({task}, {}),
                    task.file + ": invalid UTF-8 at byte 5; save the file as UTF-8");
}
