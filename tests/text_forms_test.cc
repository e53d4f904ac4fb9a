// Text tasks in the form that a model reads: pairs for an encoder-decoder, classes for a
// classifier.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "core/score.h"
#include "core/text/class_rows.h"
#include "experiments/runner.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_encode.h"
#include "tests/files.h"
#include "tests/seq2seq_case.h"
#include "tests/sweep_case.h"
#include "tests/tensors.h"

using namespace lethe;
using Ids = std::vector<int64_t>;
using Words = std::vector<std::string>;

namespace {

const ModelRows kPairs{RowForm::pairs, 7, "the t5 model of t5"};
const ModelRows kClasses{RowForm::classes, 0, "the bert model of bert"};

// Bytes stand at 2 + byte; pad 0, end 1.
std::shared_ptr<const Tokenizer> byte_ids() {
  static const auto tokenizer = std::make_shared<WordTokenizer>(Words{});
  return tokenizer;
}

Ids bytes(const std::string& text) { return byte_ids()->encode(text); }

/// Records "aa", "ab", ... with the two labels in turn.
std::string records(const Words& labels, int rows = 20) {
  std::string csv = "sentence,label\n";
  for (int row = 0; row < rows; ++row) {
    csv += std::string{static_cast<char>('a' + row / 10), static_cast<char>('a' + row % 10)} + "," +
           labels[static_cast<size_t>(row) % labels.size()] + "\n";
  }
  return csv;
}

TextTaskSpec task_of(const Scratch& scratch, const std::string& name, const Words& labels) {
  return {.name = name,
          .file = scratch.write(name + ".csv", records(labels)),
          .prompt = "{sentence}?",
          .labels = labels};
}

TaskStream stream_of(const std::vector<TextTaskSpec>& tasks, const ModelRows& rows,
                     const TextStreamOptions& options = {}) {
  return make_text_stream(tasks, options, byte_ids(), rows);
}

}  // namespace

TEST_CASE("an encoder-decoder's task has prompts as sources and responses as targets") {
  const Scratch scratch;
  const TaskStream stream = stream_of({task_of(scratch, "films", {"good", "no"})}, kPairs);
  const Task& task = stream.tasks.at(0);
  CHECK(task.train->size() == 14);
  CHECK(task.validation->first_id() == 14);
  CHECK(task.metric.name == "exact_match");
  CHECK(stream.classes == 0);
  const auto& rows = dynamic_cast<const PairRows&>(*task.train);
  Ids source = bytes(rows.prompt(3));
  CHECK(rows.prompt(3).size() == 3);
  source.push_back(1);
  CHECK(rows.prompt_ids(3) == source);
  const Batch batch = rows.batch({3});
  CHECK(integers(batch.inputs) == source);
  Ids target = bytes(rows.expected(3));
  Ids read = target;
  target.push_back(1);
  read.insert(read.begin(), 7);  // the model's own start mark
  CHECK(integers(batch.targets) == target);
  CHECK(integers(batch.decoder_inputs) == read);
  CHECK(stream.longest == 5);  // "good" and its end mark
}

TEST_CASE("sources are cut from the left, and a target that does not fit is refused or left out") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch, "films", {"ok", "no"});
  task.labels.clear();
  const TaskStream stream = stream_of({task}, kPairs, {.max_length = 3});
  const auto& rows = dynamic_cast<const PairRows&>(*stream.tasks[0].train);
  CHECK(rows.prompt(0).size() == 2);
  CHECK(rows.prompt(0)[1] == '?');
  CHECK(stream.warnings.at(0) ==
        "films train: 14 of 14 prompts lose tokens at their left end to fit max_length = 3");
  CHECK_THROWS_WITH(
      stream_of({task}, kPairs, {.max_length = 2}),
      Catch::Contains(": the response of task 'films' takes 3 tokens, end mark included, but "
                      "max_length is 2; raise max_length to 3 or shorten the response, or set "
                      "skip = true to leave such rows out, counted"));
  task.end_mark = false;
  CHECK_NOTHROW(stream_of({task}, kPairs, {.max_length = 2}));
}

TEST_CASE("labels of pairs are scored as a row of each label says") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch, "films", {"good", "no", "bad"});
  task.metric = "label_accuracy";
  Seq2SeqConfig config = small_seq2seq_config(true);
  config.vocabulary = byte_ids()->vocabulary_size();
  Seq2Seq model(config, make_generator(3));
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) parameter.value.mul_(3);
  for (const bool normalised : {false, true}) {
    task.normalise = normalised;
    const TaskStream stream = stream_of({task}, kPairs);
    const auto& rows = dynamic_cast<const PairRows&>(*stream.tasks[0].train);
    REQUIRE(rows.labels() == 3);
    int64_t right = 0;
    for (int64_t row = 0; row < rows.size(); ++row) {
      std::vector<double> likelihoods;
      for (const std::string& label : task.labels) {
        PairRowsOptions options;
        options.start_id = kPairs.start_id;
        const auto one = make_pair_rows(byte_ids(), {{rows.prompt(row), label}}, options);
        const Batch batch = one->batch({0});
        const double tokens = normalised ? static_cast<double>(label.size()) + 1 : 1;
        likelihoods.push_back(-summed_loss(model.forward(batch), batch) / tokens);
      }
      const auto best = std::max_element(likelihoods.begin(), likelihoods.end());
      const auto chosen = static_cast<size_t>(best - likelihoods.begin());
      right += task.labels[chosen] == rows.expected(row) ? 1 : 0;
    }
    const Tally tally = score_rows(model, rows, {stream.tasks[0].metric}, {.batch_size = 4})[0];
    CHECK(tally.correct == right);
    CHECK(tally.total == rows.size());
  }
  const TaskStream stream = stream_of({task}, kPairs);
  const auto& rows = dynamic_cast<const PairRows&>(*stream.tasks[0].train);
  CHECK(rows.longest_response() == 5);
  const Batch batch = rows.label_batch({0, 1}, 1);
  CHECK(integers(batch.targets) == Ids{2 + 'n', 2 + 'o', 1, 2 + 'n', 2 + 'o', 1});
}

TEST_CASE("a classifier's classes are the labels of all tasks, and a task's own may win") {
  const Scratch scratch;
  const TaskStream stream = stream_of(
      {task_of(scratch, "films", {"good", "bad"}), task_of(scratch, "mood", {"bad", "odd", "sad"})},
      kClasses);
  CHECK(stream.class_names == Words{"good", "bad", "odd", "sad"});
  CHECK(stream.classes == 4);
  CHECK(stream.scenario == Scenario::task_incremental);
  CHECK(stream.tasks[0].classes == Ids{0, 1});
  CHECK(stream.tasks[1].classes == Ids{1, 2, 3});
  CHECK(stream.tasks[1].metric.name == "accuracy");
  CHECK(stream.tasks[1].train->first_id() == 20);
  CHECK(stream.longest == 3);
  const Batch batch = stream.tasks[1].test->batch({0, 1, 2, 3});
  CHECK(batch.inputs.sizes() == at::IntArrayRef({4, 3}));
  for (int64_t row = 0; row < 4; ++row) {
    CHECK(integers(batch.active[row].to(at::kLong)) == Ids{0, 1, 1, 1});
    // Row aX has label X modulo 3, row bX the one after that of 10.
    const int64_t number = (batch.inputs[row][0].item<int64_t>() - 2 - 'a') * 10 +
                           batch.inputs[row][1].item<int64_t>() - 2 - 'a';
    CHECK(batch.targets[row].item<int64_t>() == 1 + number % 3);
    CHECK(batch.inputs[row][2].item<int64_t>() == 2 + '?');
  }
}

TEST_CASE("a classifier's task may have pairs of texts, and no other model's") {
  const Scratch scratch;
  TextTaskSpec task = task_of(scratch, "nli", {"yes", "no"});
  task.file.clear();
  task.train = task.validation = scratch.write("train.csv", "a,b,label\npq,r,no\npq,,yes\n");
  task.test = scratch.write("test.csv", "a,b,label\npqs,tuvw,yes\n");
  task.prompt = "{a}";
  task.second = "{b}!";
  TaskStream stream = stream_of({task}, kClasses, {.max_length = 6});
  const Batch batch = stream.tasks[0].validation->batch({0, 1});
  CHECK(integers(batch.inputs) ==
        Ids{2 + 'p', 2 + 'q', 2 + 'r', 2 + '!', 2 + 'p', 2 + 'q', 2 + '!', 0});
  CHECK(integers(batch.token_types) == Ids{0, 0, 1, 1, 0, 0, 1, 0});
  CHECK(integers(batch.targets) == Ids{1, 0});
  CHECK(integers(stream.tasks[0].test->batch({0}).token_types) == Ids{0, 0, 0, 1, 1, 1});
  CHECK(stream.warnings.at(0) ==
        "nli test: 1 of 1 texts lose tokens at their right end to fit max_length = 6");
  TextTaskSpec probe = task;
  probe.name = "probe";
  probe.file = task.test;
  probe.train = probe.validation = probe.test = "";
  add_probes(stream, {probe}, {}, kClasses);
  CHECK(integers(stream.probes[0].rows->batch({0}).token_types) == Ids{0, 0, 0, 1, 1, 1, 1, 1});
  const OptionMap text = text_task_text(task);
  CHECK(text.at("second") == "{b}!");
  CHECK_THROWS_WITH(stream_of({task}, kPairs),
                    "text task 'nli' has second, but the t5 model of t5 reads no pairs of texts; "
                    "write both texts into prompt, or choose a model that classifies, such as "
                    "BERT");
  CHECK_THROWS_WITH(stream_of({task}, {}), Catch::StartsWith("text task 'nli' has second, but the "
                                                             "model reads no pairs"));
}

TEST_CASE("tasks with the same labels make a domain-incremental stream in which all may win") {
  const Scratch scratch;
  const TaskStream stream = stream_of(
      {task_of(scratch, "films", {"good", "bad"}), task_of(scratch, "books", {"bad", "good"})},
      kClasses, {.max_length = 2});
  CHECK(stream.scenario == Scenario::domain_incremental);
  CHECK(stream.tasks[1].classes == Ids{0, 1});
  CHECK_FALSE(stream.tasks[1].train->batch({0}).active.defined());
  CHECK(stream.tasks[0].train->length(0) == 2);
  CHECK(stream.warnings.at(0) ==
        "films train: 14 of 14 texts lose tokens at their right end to fit max_length = 2");
}

TEST_CASE("probes of a classifier are measured in loss and accuracy, by the classes of the tasks") {
  const Scratch scratch;
  TaskStream stream = stream_of({task_of(scratch, "films", {"good", "bad"})}, kClasses);
  TextTaskSpec probe = task_of(scratch, "probe", {"bad", "good"});
  probe.test_rows = 5;
  add_probes(stream, {probe}, {}, kClasses);
  REQUIRE(stream.probes.size() == 2);
  CHECK(stream.probes[0].metric.name == "loss");
  CHECK(stream.probes[1].metric.name == "accuracy");
  CHECK(stream.probes[1].rows->size() == 5);
  CHECK(stream.probes[1].rows->first_id() == 20);
  CHECK(integers(stream.probes[1].rows->batch({0, 1, 2}).targets) == Ids{1, 0, 1});
  CHECK_THROWS_WITH(add_probes(stream, {task_of(scratch, "other", {"good", "odd"})}, {}, kClasses),
                    "probe 'other' has the label 'odd', which no task of the stream has; their "
                    "labels: good, bad");
}

TEST_CASE("probes of an encoder-decoder are pairs") {
  const Scratch scratch;
  TaskStream stream = stream_of({task_of(scratch, "films", {"good", "bad"})}, kPairs);
  add_probes(stream, {task_of(scratch, "probe", {"bad", "good"})}, {}, kPairs);
  REQUIRE(stream.probes.size() == 2);
  CHECK(stream.probes[1].metric.name == "token_accuracy");
  CHECK(stream.probes[0].rows->batch({0}).decoder_inputs.defined());
}

TEST_CASE("a task that does not fit the model's rows is refused, and both are named") {
  const Scratch scratch;
  const auto refused = [&](const TextTaskSpec& task, const ModelRows& rows) {
    try {
      stream_of({task}, rows);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  TextTaskSpec task = task_of(scratch, "films", {"good", "bad"});
  task.predict = "all";
  CHECK(refused(task, kPairs) ==
        "text task 'films' predicts every token of a text, but the t5 model of t5 reads sources "
        "and predicts their targets; give it records with a prompt, a response and predict = "
        "\"response\"");
  CHECK(refused(task, kClasses) ==
        "text task 'films' predicts every token of a text, but the bert model of bert predicts "
        "classes; give it records with labels and predict = \"response\"");
  task.predict = "response";
  task.form = "text";
  CHECK_THAT(refused(task, kPairs), Catch::StartsWith("text task 'films' predicts every token"));
  task.form = "records";
  task.metric = "rouge_l";
  CHECK(refused(task, kClasses) ==
        "text task 'films' is measured in rouge_l, but the bert model of bert predicts classes; "
        "choose metric = \"accuracy\" or \"loss\"");
  task.metric = "accuracy";
  CHECK(refused(task, kClasses) == "accepted");
  CHECK_THAT(refused(task, kPairs), Catch::StartsWith("metric 'accuracy' of text task 'films' is "
                                                      "unknown; known metrics: loss, "));
  task.labels.clear();
  CHECK(refused(task, kClasses) ==
        "text task 'films' lists no labels, but the bert model of bert predicts classes; give "
        "labels = [...]");
  task.prompt.clear();
  task.metric = "loss";
  CHECK(refused(task, kPairs) ==
        "row 0 of films train has an empty source; an encoder reads at least one token");
}
