// `lethe predict`: prompts and files of rows in, text out.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "experiments/predict.h"
#include "experiments/predict_rows.h"
#include "tests/deploy_case.h"

using namespace lethe;
using Catch::Contains;
using nlohmann::json;

namespace {

/// Trial 1, a LoRA, and its export "adapter"; made once.
const DeployCase& lora_trials() {
  static const DeployCase& made = []() -> DeployCase& {
    static DeployCase fresh;
    fresh.run(small_sweep(kLora));
    export_model(fresh.to("1", "adapter"));
    return fresh;
  }();
  return made;
}

PredictArguments of_trial() {
  PredictArguments arguments;
  arguments.what = "1";
  arguments.db = lora_trials().db;
  arguments.longest = 5;
  return arguments;
}

/// What it writes, or throws.
std::string predicted(PredictArguments arguments) {
  if (arguments.output.empty()) arguments.output = lora_trials().scratch.path("out");
  try {
    predict_command(arguments);
    return file_bytes(arguments.output);
  } catch (const Error& error) {
    return error.what();
  }
}

std::string predicted_file(const std::string& name, const std::string& rows, int64_t batch = 16) {
  PredictArguments arguments = of_trial();
  arguments.input = lora_trials().scratch.write(name, rows);
  arguments.batch = batch;
  return predicted(arguments);
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("rows come back with what was generated, whatever the batch") {
  const std::string rows =
      "{\"id\": 7, \"prompt\": \"sentiment: good\"}\n\n"
      "{\"prompt\": \"topic: a\", \"x\": [1, \"\xC3\xBC\"]}\n{\"prompt\": \"t\"}\n";
  const std::string one = predicted_file("rows.jsonl", rows, 1);
  const std::vector<json> lines = lines_of(one);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].at("id") == 7);
  CHECK(lines[1].at("x") == json::parse("[1, \"\xC3\xBC\"]"));
  for (const json& line : lines) {
    CHECK(line.at("generated").is_string());
    CHECK(line.at("ended").is_boolean());
  }
  CHECK(predicted_file("rows.jsonl", rows, 3) == one);
  // The same prompt by itself gives the same text.
  PredictArguments prompt = of_trial();
  prompt.prompts = {"topic: a"};
  CHECK(predicted(prompt) == lines[1].at("generated").get<std::string>() + "\n");
}

TEST_CASE("sampling draws by its seed, row by row, and a stop text ends a row before it") {
  PredictArguments arguments = of_trial();
  arguments.prompts = {"a", "a"};
  arguments.longest = 12;
  arguments.temperature = 1.5;
  const std::string first = predicted(arguments);
  CHECK(predicted(arguments) == first);
  arguments.seed = 2;
  CHECK(predicted(arguments) != first);
  arguments.prompts = {"a"};
  const std::string text = predicted(arguments);
  REQUIRE(text.size() > 4);
  const std::string stop = text.substr(2, 2);
  arguments.stops = {stop};
  CHECK(predicted(arguments) == text.substr(0, text.find(stop)) + "\n");
}

TEST_CASE("an adapter is put on a trial's model, and one without its base's folder says so") {
  PredictArguments arguments = of_trial();
  arguments.prompts = {"a"};
  arguments.adapter = lora_trials().scratch.path("adapter");
  CHECK(predicted(arguments).back() == '\n');
  arguments.adapter = "none";
  CHECK(predicted(arguments) ==
        "none/adapter_config.json can't be read; give a folder with adapter_config.json and "
        "adapter_model.safetensors");
  arguments.what = lora_trials().scratch.path("adapter");
  CHECK(predicted(arguments) ==
        arguments.what +
            " is an adapter of '', and no folder with a config.json is there; give the "
            "folder of the base, and the adapter with --adapter " +
            arguments.what);
}

TEST_CASE("wrong rows are named by file and line") {
  const std::string folder = lora_trials().scratch.folder() + "/";
  CHECK(predicted(of_trial()) ==
        "give prompts with --prompt TEXT, or a file of them with --input FILE, not both");
  CHECK(predicted_file("bad.jsonl", "{\"prompt\": \"a\"}\n[1]\n") ==
        folder + "bad.jsonl:2: expected one JSON object a line, found: [1]");
  CHECK(predicted_file("field.jsonl", "\n{\"text\": \"a\"}\n") ==
        folder +
            "field.jsonl:2: the record has no text under 'prompt'; name the field that holds "
            "prompts with --field");
  CHECK(predicted_file("none.jsonl", "\n \n") ==
        folder + "none.jsonl holds no rows; give one JSON object a line");
  PredictArguments arguments = of_trial();
  arguments.input = "absent.jsonl";
  CHECK(predicted(arguments) ==
        "absent.jsonl can't be read; give a file of JSON Lines, or - for standard input");
  arguments.input.clear();
  arguments.prompts = {""};
  CHECK(predicted(arguments) ==
        "a prompt is empty, and this tokenizer puts no mark before a text; give it a text");
  arguments.prompts = {"a"};
  arguments.output = "no/where";
  CHECK(predicted(arguments) ==
        "no/where can't be written; check the folder and the space on its disk");
}

TEST_CASE("a terminal is shown whole characters only") {
  const std::string u = "\xC3\xBC", euro = "\xE2\x82\xAC", unknown = "\xEF\xBF\xBD";
  CHECK(fresh_text("ab", 0) == "ab");
  CHECK(fresh_text("ab", 1) == "b");
  CHECK(fresh_text("ab", 2).empty());
  CHECK(fresh_text("a" + u, 1) == u);
  CHECK(fresh_text("a" + u.substr(0, 1), 0) == "a");
  CHECK(fresh_text("a" + euro.substr(0, 2), 0) == "a");
  CHECK(fresh_text("a" + euro, 0) == "a" + euro);
  CHECK(fresh_text("a" + unknown, 0) == "a");
  CHECK(fresh_text("a" + unknown + "b", 0) == "a" + unknown + "b");
}
