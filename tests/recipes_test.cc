// [[stream.task]] tables: recipes, chat, options and their errors.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "experiments/recipes.h"
#include "experiments/streams/text.h"
#include "experiments/streams/text_template.h"
#include "tests/files.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

const std::string kHead = "[stream]\nname = \"text\"\n";
const std::string kTail = "\n[model]\npretrain_steps = 0\n[[method]]\nname = \"finetune\"\n";

std::vector<TextTaskSpec> tasks_of(const std::string& tables) {
  return parse_sweep(kHead + tables + kTail, "s.toml").texts;
}

TextTaskSpec task_of(const std::string& table) {
  const auto all = tasks_of("[[stream.task]]\n" + table);
  REQUIRE(all.size() == 1);
  return all[0];
}

std::string wrong(const std::string& table) {
  return refusal(kHead + "[[stream.task]]\n" + table + kTail);
}

std::vector<std::string> names(const std::vector<TextTaskSpec>& tasks) {
  std::vector<std::string> found;
  for (const TextTaskSpec& task : tasks) found.push_back(task.name);
  return found;
}

}  // namespace

TEST_CASE("every recipe file is read, and each of its tasks names files and a template") {
  std::vector<std::string> files;
  for (const auto& [name, text] : recipe_files()) files.push_back(name);
  CHECK(files == std::vector<std::string>{"agnews", "alpaca", "codealpaca", "gsm8k", "mbpp",
                                          "olora", "tinyshakespeare", "twitter_complaints"});
  for (const std::string& name : files) {
    const toml::table root = parse_toml(recipe_files().at(name), name);
    for (const toml::node& node : *root.get("task")->as_array()) {
      const std::string task = node.as_table()->get("name")->as_string()->get();
      CAPTURE(name, task);
      const TextTaskSpec spec = task_of("recipe = \"" + name + "/" + task + "\"\ndata = \"/d\"\n");
      CHECK(spec.name == task);
      CHECK((spec.file + spec.train).rfind("/d/", 0) == 0);
      CHECK((spec.form == "text" || !spec.response.empty()));
    }
  }
}

TEST_CASE("a recipe's keys give way to those beside it, and its files to a list of files") {
  const TextTaskSpec recipe = task_of("recipe = \"mbpp\"\ndata = \"/d\"\n");
  CHECK(recipe.file == "/d/mbpp.jsonl");
  CHECK(recipe.response == "{code|lf}");
  CHECK(recipe.test_records == "10:510");
  const TextTaskSpec own = task_of(
      "recipe = \"mbpp\"\ndata = \"/d\"\nname = \"code\"\ntrain = \"a.jsonl\"\ntest = \"b.jsonl\"\n"
      "train_records = \"\"\nskip = true\ntest_rows = 7\nstop = [\"x\", \"y\"]\n");
  CHECK(own.name == "code");
  CHECK(own.file.empty());
  CHECK(own.train == "/d/a.jsonl");
  CHECK(own.train_records.empty());
  CHECK(own.skip);
  CHECK(own.test_rows == 7);
  CHECK(own.stop == std::vector<std::string>{"x", "y"});
  CHECK(own.prompt == recipe.prompt);
}

TEST_CASE("the published orders of O-LoRA's benchmark, without yahoo") {
  const auto order = [](const std::string& name) {
    return names(tasks_of("[[stream.task]]\nrecipe = \"olora/" + name + "\"\ndata = \"/d\"\n"));
  };
  using Names = std::vector<std::string>;
  CHECK(order("order1") == Names{"dbpedia", "amazon", "agnews"});
  CHECK(order("order2") == Names{"dbpedia", "amazon", "agnews"});
  CHECK(order("order3") == Names{"amazon", "agnews", "dbpedia"});
  CHECK(order("five") == Names{"agnews", "yelp", "amazon", "dbpedia"});
  CHECK(order("long") == Names{"yelp", "amazon", "MNLI", "CB", "COPA", "QQP", "RTE", "IMDB",
                               "SST-2", "dbpedia", "agnews", "MultiRC", "BoolQA", "WiC"});
  CHECK(order("shared_labels") == Names{"yelp", "amazon", "SST-2", "IMDB"});
  CHECK(order("disjoint") == Names{"agnews", "dbpedia", "MNLI"});
  CHECK(order("CB") == Names{"CB"});
  CHECK(tasks_of("[[stream.task]]\nrecipe = \"olora/disjoint\"\ndata = \"/d\"\n"
                 "train_rows = 100\n")[2]
            .train_rows == 100);
}

TEST_CASE("O-LoRA's prompts are instruction, options and sentence") {
  const auto prompt = [](const std::string& name, const std::string& sentence) {
    const TextTaskSpec task = task_of("recipe = \"olora/" + name + "\"\ndata = \"/d\"\n");
    return fill_template(task.prompt, {{"sentence", sentence}, {"label", "x"}}, {});
  };
  CHECK(prompt("agnews", "Title: a\nText: b\n") ==
        "What is the topic of the following paragraph? Choose one from the option.\n"
        "Option: World, Sports, Business, Science or Technology \nTitle: a\nText: b\n\nAnswer:");
  CHECK(
      prompt("RTE", "s") ==
      "What is the logical relationship between the \"sentence 1\" and the \"sentence 2\"? Choose "
      "one from the option.\nOption: contradiction, entailment \ns\nAnswer:");
  CHECK(prompt("COPA", "s") == "s\nAnswer:");
  CHECK(prompt("yelp", "a\\nb").find(" \na\nb\nAnswer:") != std::string::npos);
}

TEST_CASE("a chat becomes a prompt that ends where the answer begins") {
  const TextTaskSpec task = task_of(
      "name = \"t\"\nfile = \"a.jsonl\"\nresponse = \"{a}\"\n"
      "chat = [{ role = \"system\", content = \"Be {{brief}}.\" }, { role = \"user\", content = "
      "\"{q}\" }]\n"
      "chat_form = { begin = \"<|{role}|>\\n\", end = \"</{x}>\\n\" }\n");
  CHECK(fill_template(task.prompt, {{"q", "Why?"}}, {}) ==
        "<|system|>\nBe {brief}.</{x}>\n<|user|>\nWhy?</{x}>\n<|assistant|>\n");
  const TextTaskSpec by_role = task_of(
      "name = \"t\"\nfile = \"a.jsonl\"\nchat = [{ role = \"user\", content = \"{q}\" }]\n"
      "chat_form = { begin = { user = \"[INST] \" }, end = { user = \" [/INST]\" } }\n");
  CHECK(by_role.prompt == "[INST] {q} [/INST]");
}

TEST_CASE("what is wrong with a task has file and line") {
  CHECK(wrong("recipe = \"gsm\"\ndata = \"/d\"\n") ==
        "s.toml:4: unknown recipe 'gsm'; known recipes: agnews, alpaca, codealpaca, gsm8k, mbpp, "
        "olora, tinyshakespeare, twitter_complaints");
  CHECK(wrong("recipe = \"gsm8k\"\ndata = \"/d\"\n") ==
        "s.toml:4: recipe 'gsm8k' names no task or order of gsm8k; write gsm8k/NAME with one of: "
        "gsm8k, gsm8k_answer");
  CHECK(wrong("recipe = \"alpaca\"\n") ==
        "s.toml:4: recipe 'alpaca' needs 'data': the folder of its files");
  CHECK(wrong("recipe = \"olora/order1\"\ndata = \"/d\"\nname = \"x\"\n") ==
        "s.toml:4: recipe 'olora/order1' stands for 3 tasks, which keep their names; leave 'name' "
        "out");
  CHECK(wrong("name = \"t\"\nfile = \"a.csv\"\nform = \"csv\"\n") ==
        "s.toml:6: option 'form' of a text task is 'csv'; expected one of records, text, ids");
  CHECK(wrong("name = \"t\"\nfile = \"a.csv\"\nwindow = \"3\"\nprompt = 3\n") ==
        "s.toml:7: 'prompt' is no text; put it in quotes");
  CHECK(wrong("name = \"t\"\nchat = []\nchat_form = {}\n") ==
        "s.toml:5: 'chat' is no list of pieces; write chat = [{ role = \"user\", content = "
        "\"{question}\" }]");
  CHECK(wrong("name = \"t\"\nchat = [{ role = \"user\", content = \"x\" }]\n") ==
        "s.toml:5: 'chat' needs the table 'chat_form' with the texts around a piece, as in "
        "chat_form = { begin = \"<{role}>\", end = \"\\n\" }");
  CHECK(wrong("name = \"t\"\nprompt = \"x\"\nchat = [{ role = \"user\", content = \"x\" }]\n") ==
        "s.toml:6: both 'prompt' and 'chat' are given; keep one");
}

TEST_CASE("the tokenizer's digest is part of a trial, the built-in one's is not") {
  const Scratch scratch;
  const std::string file = scratch.write("a.jsonl", "{\"q\": \"x\", \"label\": \"y\"}\n");
  const Sweep sweep = parse_sweep(
      kHead + "[[stream.task]]\nname = \"t\"\nfile = \"" + file + "\"\nprompt = \"{q}\"\n" + kTail,
      "s.toml");
  const auto plain = expand(sweep, builtin_methods());
  CHECK(plain.at(0).spec.stream.options.count("tokenizer_sha256") == 0);
  CHECK(plain.at(0).stream.tokenizer == nullptr);
  const auto tokenizer = std::make_shared<const WordTokenizer>(std::vector<std::string>{});
  int asked = 0;
  const auto own = expand(sweep, builtin_methods(), [&](const Part& model) {
    CHECK(model.name == "decoder");
    ++asked;
    return ModelTokenizer{tokenizer, "abc"};
  });
  CHECK(asked == 1);
  CHECK(own.at(0).stream.tokenizer == tokenizer);
  CHECK(canonical_text(own.at(0).spec).find("\nstream.tokenizer_sha256 = abc\n") !=
        std::string::npos);
  CHECK(canonical_text(plain.at(0).spec).find("tokenizer") == std::string::npos);
}
