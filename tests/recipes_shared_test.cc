// The shipped recipes and sweeps on the real files: counts, exact prompts, traps.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include <nlohmann/json.hpp>
#include <set>

#include "core/formats/records.h"
#include "experiments/recipes.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_items.h"
#include "experiments/streams/text_template.h"
#include "tests/files.h"
#include "tests/shared.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

TextTaskSpec recipe(const std::string& name, const std::filesystem::path& data,
                    const std::string& more = "") {
  return parse_sweep("[stream]\nname = \"text\"\n[[stream.task]]\nrecipe = \"" + name +
                         "\"\ndata = \"" + data.string() + "\"\n" + more +
                         "[[method]]\nname = \"finetune\"\n",
                     "s.toml")
      .texts.at(0);
}

struct Made {
  TextSplits splits;
  LeftOut left_out;
};

Made made(const TextTaskSpec& task) {
  Made all;
  all.splits = read_splits(task, {}, all.left_out);
  return all;
}

std::vector<size_t> sizes(const Made& all) {
  return {all.splits.train.size(), all.splits.validation.size(), all.splits.test.size()};
}

using Sizes = std::vector<size_t>;

}  // namespace

TEST_CASE("Alpaca's prompt and answer are the published text, for all 100 rows of torchtune") {
  const auto folder = shared_path("data/text/alpaca");
  if (!folder) return;
  const TextTaskSpec task = recipe("alpaca", *folder, "file = \"alpaca_tiny.json\"\n");
  int with_input = 0;
  for (const Record& record : read_records(task.file)) {
    CHECK(fill_template(task.prompt, record, {}) + fill_template(task.response, record, {}) ==
          record.at("text"));
    with_input += record.at("input").empty() ? 0 : 1;
  }
  CHECK(with_input > 20);
  CHECK(sizes(made(recipe("alpaca", *folder))) == Sizes{699, 100, 200});
}

TEST_CASE("Code Alpaca's two rows without output are left out and counted") {
  const auto folder = shared_path("data/text/codealpaca");
  if (!folder) return;
  const Made all = made(recipe("codealpaca", *folder));
  CHECK(all.left_out == LeftOut{{"with an empty response", 2}});
  CHECK(all.splits.train.size() + all.splits.validation.size() + all.splits.test.size() == 2015);
}

TEST_CASE("MBPP is split by task id, and its code has no carriage returns") {
  const auto folder = shared_path("data/text/mbpp");
  if (!folder) return;
  const Made all = made(recipe("mbpp", *folder));
  CHECK(sizes(all) == Sizes{374, 90, 500});
  CHECK(all.splits.test[0].prompt.substr(0, 31) == "Write a python function to remo");
  for (const auto* items : {&all.splits.train, &all.splits.validation, &all.splits.test}) {
    for (const TextItem& item : *items) CHECK(item.response.find("\r\n") == std::string::npos);
  }
}

TEST_CASE("GSM8K's answers hold one number behind ####, alone where asked") {
  const auto folder = shared_path("data/text/gsm8k");
  if (!folder) return;
  const Made whole = made(recipe("gsm8k/gsm8k", *folder));
  const Made number = made(recipe("gsm8k/gsm8k_answer", *folder));
  CHECK(sizes(whole) == Sizes{1000, 100, 219});
  CHECK(sizes(number) == Sizes{1000, 100, 219});
  CHECK(number.splits.train[0].response == " 18");
  CHECK(number.splits.train[0].prompt.substr(0, 32) == "Question: Janet\u2019s ducks lay 16");
  for (size_t i = 0; i < whole.splits.train.size(); ++i) {
    const std::string& answer = whole.splits.train[i].response;
    CHECK(answer.substr(answer.rfind("####") + 4) == number.splits.train[i].response);
  }
}

TEST_CASE("RAFT's tweets come through the CSV quotes with both labels") {
  const auto folder = shared_path("data/text/raft/twitter_complaints");
  if (!folder) return;
  const Made all = made(recipe("twitter_complaints", *folder));
  CHECK(sizes(all) == Sizes{35, 5, 10});
  std::map<std::string, int> labels;
  std::set<std::string> prompts;
  for (const auto* items : {&all.splits.train, &all.splits.validation, &all.splits.test}) {
    for (const TextItem& item : *items) {
      ++labels[item.response];
      prompts.insert(item.prompt);
    }
  }
  CHECK(labels == std::map<std::string, int>{{" complaint", 17}, {" no complaint", 33}});
  CHECK(prompts.count("Tweet text : @HMRCcustomers No this is my first job Label :") == 1);
}

TEST_CASE(
    "every task of O-LoRA's benchmark has its labels in the published order, and its counts") {
  const auto folder = shared_path("data/text/olora_cl_benchmark");
  if (!folder) return;
  // Reading all of them takes seconds: the counts of the smaller ones, and of MNLI for its label.
  const std::map<std::string, Sizes> expected = {{"dbpedia", {}},
                                                 {"amazon", {}},
                                                 {"agnews", {}},
                                                 {"yelp", {}},
                                                 {"QQP", {}},
                                                 {"BoolQA", {}},
                                                 {"IMDB", {}},
                                                 {"WiC", {}},
                                                 {"SST-2", {}},
                                                 {"RTE", {}},
                                                 {"CB", {225, 25, 56}},
                                                 {"COPA", {360, 40, 100}},
                                                 {"MNLI", {2700, 300, 7469}}};
  for (const auto& [name, counts] : expected) {
    CAPTURE(name);
    const TextTaskSpec task = recipe("olora/" + name, *folder);
    const std::string& file = task.file.empty() ? task.train : task.file;
    const auto labels = nlohmann::json::parse(
        file_bytes((std::filesystem::path(file).parent_path() / "labels.json").string()));
    CHECK(task.labels == labels.get<std::vector<std::string>>());
    if (name != "COPA") {
      std::string options;
      for (const std::string& label : task.labels) options += (options.empty() ? "" : ", ") + label;
      CHECK(task.prompt.find("Option: " + options + " \n{sentence") != std::string::npos);
    }
    if (counts.empty()) continue;
    const Made all = made(task);
    CHECK(sizes(all) == counts);
    if (name == "MNLI") CHECK(all.left_out == LeftOut{{"with the response '-'", 131}});
    if (name != "MNLI") CHECK(all.left_out.empty());
  }
}

TEST_CASE("yelp's literal line breaks become line breaks") {
  const auto folder = shared_path("data/text/olora_cl_benchmark");
  if (!folder) return;
  const TextTaskSpec task = recipe("olora/yelp", *folder);
  int64_t literal = 0;
  for (const Record& record : read_records(task.file)) {
    if (record.at("sentence").find("\\n") != std::string::npos) ++literal;
  }
  CHECK(literal == 2565);
  for (const TextItem& item : made(task).splits.train) {
    CHECK(item.prompt.find("\\n") == std::string::npos);
  }
}

TEST_CASE("no paragraph of MultiRC stands in two splits") {
  const auto folder = shared_path("data/text/olora_cl_benchmark");
  if (!folder) return;
  const Made all = made(recipe("olora/MultiRC", *folder));
  std::map<std::string, std::set<int>> splits_of;
  int split = 0;
  size_t rows = 0;
  for (const auto* items : {&all.splits.train, &all.splits.validation, &all.splits.test}) {
    ++split;
    rows += items->size();
    for (const TextItem& item : *items) splits_of[item.group].insert(split);
  }
  CHECK(rows == 2000);
  CHECK(all.splits.test.size() >= 400);
  CHECK(splits_of.size() < 1000);  // records do share them
  for (const auto& [paragraph, splits] : splits_of) CHECK(splits.size() == 1);
}

TEST_CASE("the stories and the instructions sweep stand for their trials, on any model of text") {
  if (!shared_path("data/text/gsm8k")) return;
  const auto trials = [](const std::string& name) {
    Sweep sweep = read_sweep(LETHE_SOURCE_DIR "/sweeps/" + name + ".toml");
    CHECK(sweep.model == "pretrained");
    sweep.model = "decoder";  // the files and the methods are what is looked at
    sweep.model_options.clear();
    return expand(sweep, builtin_methods());
  };
  const auto stories = trials("stories_forgetting");
  CHECK(stories.size() == 13 * 5);
  const OptionMap& stream = stories[0].spec.stream.options;
  CHECK(stream.at("task.0.name") == "tinyshakespeare");
  CHECK(stream.at("task.1.name") == "mbpp");
  CHECK(stream.at("task.2.name") == "agnews");
  CHECK(stream.at("probe.0.separator") == "<|endoftext|>");
  CHECK(stream.at("probe.1.form") == "ids");
  CHECK(trials("instructions").size() == 7 * 3);
}

TEST_CASE("the stories sweep's stream is made with the built-in tokenizer") {
  const auto folder = shared_path("data/text/tinyshakespeare");
  if (!folder) return;
  const TextTaskSpec shakespeare = recipe("tinyshakespeare", *folder,
                                          "window = 129\ntest_rows = 10\n"
                                          "train_rows = 50\nvalidation_rows = 5\n");
  const TaskStream stream = make_text_stream({shakespeare}, {.max_length = 512});
  CHECK(stream.tasks[0].train->size() == 50);
  CHECK(stream.tasks[0].test->size() == 10);
  const Batch batch = stream.tasks[0].train->batch({0, 1});
  CHECK(batch.inputs.size(1) == 128);
  CHECK(batch.targets.numel() == 256);
}
