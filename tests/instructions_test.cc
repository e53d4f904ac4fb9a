#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include <algorithm>
#include <set>

#include "core/digest.h"
#include "core/error.h"
#include "core/text/text_rows.h"
#include "experiments/streams/grammar.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/lexicon.h"
#include "experiments/streams/mixture.h"
#include "tests/expressions.h"

using lethe::distinct_pairs;
using lethe::InstructionOptions;
using lethe::lexicon;
using lethe::make_instruction_stream;
using lethe::RowsPtr;
using lethe::TaskStream;
using lethe::TextPair;
using lethe::TextRows;

namespace {

constexpr int64_t kAll = 2300;  // rows of a task by default: 2000, 100 and 200

const TaskStream& default_stream() {
  static const TaskStream stream = make_instruction_stream({}, 1);
  return stream;
}

const TextRows& text(const RowsPtr& rows) { return dynamic_cast<const TextRows&>(*rows); }

std::string content(const RowsPtr& rows) {
  std::string all;
  for (int64_t row = 0; row < rows->size(); ++row) {
    all += text(rows).prompt(row) + "|" + text(rows).expected(row) + "\n";
  }
  return all;
}

std::vector<std::string> task_names(const TaskStream& stream) {
  std::vector<std::string> found;
  for (const lethe::Task& task : stream.tasks) found.push_back(task.name);
  return found;
}

/// What stands between the first colon and the last full stop.
std::string body(const TextPair& pair) {
  const size_t start = pair.prompt.find(": ") + 2;
  return pair.prompt.substr(start, pair.prompt.rfind('.') - start);
}

std::vector<std::string> words_of(const std::string& sentence) {
  std::vector<std::string> words(1);
  for (const char c : sentence) {
    if (c == ' ')
      words.emplace_back();
    else if (c != '.')
      words.back() += c;
  }
  return words;
}

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// The sentiment by counting words: every "not" turns the next judgement round.
std::string counted_sentiment(const std::string& review) {
  bool negated = false;
  std::set<bool> found;
  for (const std::string& word : words_of(review)) {
    if (word == "not") negated = true;
    if (!holds(lexicon().praise, word) && !holds(lexicon().blame, word)) continue;
    found.insert(holds(lexicon().praise, word) != negated);
    negated = false;
  }
  return found.size() == 2 ? " mixed" : *found.begin() ? " positive" : " negative";
}

/// "farmer sold boats": the only words of the text that are a person, a deed and goods.
std::string key_words(const std::string& said) {
  std::string found;
  for (const std::string& word : words_of(said)) {
    if (holds(lexicon().people, word) || holds(lexicon().deeds, word) ||
        holds(lexicon().goods, word)) {
      found += " " + word;
    }
  }
  return found;
}

/// The subject of the first noun that has one.
std::string first_subject(const std::string& said) {
  for (const std::string& word : words_of(said)) {
    for (const lethe::Subject& subject : lexicon().subjects) {
      if (holds(subject.nouns, word)) return " " + subject.name;
    }
  }
  return "none";
}

}  // namespace

TEST_CASE("the stream has four tasks measured by exact match, and the probe in nats") {
  const TaskStream& stream = default_stream();
  CHECK(stream.name == "instructions");
  CHECK(task_names(stream) ==
        std::vector<std::string>{"sentiment", "summarisation", "python", "topic"});
  for (const lethe::Task& task : stream.tasks) {
    CHECK(task.metric.name == "exact_match");
    CHECK(task.metric.unit == "fraction");
    CHECK(task.metric.higher_is_better);
    CHECK(task.train->size() == 2000);
    CHECK(task.validation->size() == 100);
    CHECK(task.test->size() == 200);
  }
  REQUIRE(stream.probes.size() == 1);
  CHECK(stream.probes[0].name == "pretraining");
  CHECK(stream.probes[0].metric.name == "loss");
  CHECK(stream.probes[0].metric.unit == "nats");
  CHECK_FALSE(stream.probes[0].metric.higher_is_better);
  CHECK(stream.probes[0].rows->size() == 200);
}

TEST_CASE("no row stands in two splits, and no warning is needed") {
  CHECK(default_stream().warnings.empty());
  for (const lethe::Task& task : default_stream().tasks) {
    std::set<std::string> prompts;
    for (const RowsPtr& rows : {task.train, task.validation, task.test}) {
      for (int64_t row = 0; row < rows->size(); ++row) prompts.insert(text(rows).prompt(row));
    }
    CHECK(prompts.size() == kAll);
  }
}

TEST_CASE("row ids are unique within the stream") {
  std::set<int64_t> ids;
  int64_t rows = 0;
  const auto add = [&](const RowsPtr& part) {
    for (int64_t row = 0; row < part->size(); ++row) ids.insert(part->first_id() + row);
    rows += part->size();
  };
  for (const lethe::Task& task : default_stream().tasks) {
    for (const RowsPtr& part : {task.train, task.validation, task.test}) add(part);
  }
  add(default_stream().probes[0].rows);
  CHECK(rows == 4 * kAll + 200);
  CHECK(static_cast<int64_t>(ids.size()) == rows);
}

TEST_CASE("rows are short: about 20 tokens, at most 40, and responses of at most 8") {
  std::vector<int64_t> lengths;
  for (const lethe::Task& task : default_stream().tasks) {
    for (int64_t row = 0; row < 2000; ++row) lengths.push_back(task.train->length(row));
    CHECK(text(task.train).longest_response() <= 8);
    CHECK(text(task.train).longest() <= 40);
  }
  std::sort(lengths.begin(), lengths.end());
  CHECK(lengths[lengths.size() / 2] == 18);
  CHECK(default_stream().longest == 29);
}

TEST_CASE("the first 100 rows of every grammar are those recorded") {
  const auto digest = [](const std::string& task) {
    std::string rows;
    for (const TextPair& pair : distinct_pairs(task, 100, 1))
      rows += pair.prompt + pair.response + "\n";
    return lethe::sha256(rows).substr(0, 16);
  };
  CHECK(digest("sentiment") == "59720be0ac2baf47");
  CHECK(digest("summarisation") == "d50e2978e6372723");
  CHECK(digest("python") == "ce79f9f7e7524f3e");
  CHECK(digest("topic") == "88b0b5ac519fb2d8");
  std::string mixture;
  for (const std::string& row : lethe::distinct_texts(100, 1)) mixture += row + "\n";
  CHECK(lethe::sha256(mixture).substr(0, 16) == "6e5e11016ee4ae0e");
}

TEST_CASE("the trial's seed changes no row, the data seed changes all splits") {
  const InstructionOptions few{.train_rows = 50, .validation_rows = 20, .test_rows = 30};
  InstructionOptions other = few;
  other.data_seed = 2;
  const TaskStream first = make_instruction_stream(few, 1);
  const TaskStream again = make_instruction_stream(few, 2);
  const TaskStream moved = make_instruction_stream(other, 1);
  for (size_t task = 0; task < 4; ++task) {
    CHECK(content(first.tasks[task].train) == content(again.tasks[task].train));
    CHECK(content(first.tasks[task].test) == content(again.tasks[task].test));
    CHECK(content(first.tasks[task].train) != content(moved.tasks[task].train));
    CHECK(content(first.tasks[task].test) != content(moved.tasks[task].test));
  }
}

TEST_CASE("the number of training rows changes no test row") {
  const TaskStream few = make_instruction_stream({.train_rows = 10}, 1);
  for (size_t task = 0; task < 4; ++task) {
    CHECK(content(few.tasks[task].test) == content(default_stream().tasks[task].test));
    CHECK(few.tasks[task].train->size() == 10);
  }
}

TEST_CASE("tasks come in the order asked for, or in one that the trial's seed draws") {
  InstructionOptions few{.train_rows = 10, .validation_rows = 10, .test_rows = 10};
  few.order = "topic,python";
  CHECK(task_names(make_instruction_stream(few, 1)) == std::vector<std::string>{"topic", "python"});
  few.order = "random";
  const auto first = task_names(make_instruction_stream(few, 1));
  CHECK(first == task_names(make_instruction_stream(few, 1)));
  std::set<std::vector<std::string>> orders;
  for (int64_t seed = 1; seed <= 8; ++seed)
    orders.insert(task_names(make_instruction_stream(few, seed)));
  CHECK(orders.size() > 3);
  CHECK(std::set<std::string>(first.begin(), first.end()).size() == 4);
}

TEST_CASE("a wrong order and too many rows get a message that names them") {
  CHECK_THROWS_WITH(
      make_instruction_stream({.order = "topic,poems"}, 1),
      "unknown instruction task 'poems'; known tasks: sentiment, summarisation, python, topic");
  CHECK_THROWS_WITH(
      make_instruction_stream({.order = "topic,topic"}, 1),
      "instruction task 'topic' stands twice in order = topic,topic; name each task once");
  CHECK_THROWS_WITH(make_instruction_stream({.order = ""}, 1),
                    "order names no instruction task; expected a list such as sentiment,topic");
  const std::string said = "the grammar of python has about ";
  CHECK_THROWS_WITH(
      distinct_pairs("python", 1000000, 1),
      Catch::StartsWith(said) &&
          Catch::EndsWith(" distinct rows, but 1000000 were asked for; ask for fewer"));
}

TEST_CASE("sentiments follow from the judging words and their negations") {
  for (const TextPair& pair : distinct_pairs("sentiment", kAll, 1)) {
    INFO(pair.prompt);
    CHECK(counted_sentiment(body(pair)) == pair.response);
  }
}

TEST_CASE("summaries name who did what to which goods") {
  for (const TextPair& pair : distinct_pairs("summarisation", kAll, 1)) {
    INFO(pair.prompt);
    CHECK(key_words(body(pair)) == pair.response);
  }
}

TEST_CASE("topics are those of the first noun that has one") {
  for (const TextPair& pair : distinct_pairs("topic", kAll, 1)) {
    INFO(pair.prompt);
    CHECK(first_subject(body(pair)) == pair.response);
  }
}

TEST_CASE("python expressions have the value of the English") {
  CHECK(EnglishReader("the sum of x and 3 times y").phrase() == 7 + 3 * 3);
  CHECK(PythonReader("b - (x - 3) * len(y) // 4").sum() == 11 - (7 - 3) * 30 / 4);
  for (const TextPair& pair : distinct_pairs("python", kAll, 1)) {
    INFO(pair.prompt << pair.response);
    const std::string phrase = body(pair);
    EnglishReader english(phrase);
    PythonReader python(pair.response);
    CHECK(english.phrase() == python.sum());
    CHECK((english.done() && python.done()));
  }
}

TEST_CASE("the mixture's rows are distinct plain text and hold no instruction") {
  const lethe::MixtureOptions options;
  const TextRows train = make_mixture(options, lethe::MixtureSplit::train);
  const TextRows held_out = make_mixture(options, lethe::MixtureSplit::held_out, 12000);
  std::set<std::string> texts;
  for (const TextRows* rows : {&train, &held_out}) {
    for (int64_t row = 0; row < rows->size(); ++row) {
      const std::string said = rows->expected(row);
      texts.insert(said);
      for (const char* cue : {"Sentiment:", "Summary:", "Python:", "Topic:"}) {
        CHECK(said.find(cue) == std::string::npos);
      }
    }
  }
  CHECK(texts.size() == 12200);
  CHECK(held_out.first_id() == 12000);
  CHECK(held_out.prompt(0).empty());
  CHECK(train.longest() <= 40);
}

TEST_CASE("the mixture's held-out rows do not depend on the number of training rows") {
  const auto held_out = [](int64_t train_rows) {
    const lethe::MixtureOptions options{.train_rows = train_rows, .held_out_rows = 20};
    return content(lethe::pretraining_rows(options, lethe::MixtureSplit::held_out));
  };
  CHECK(held_out(10) == held_out(1000));
}
