// `lethe predict`: prompts and files of rows in, text out.
#include "tests/catch.h"
// After Catch.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text/load_tokenizer.h"
#include "core/text/made_text.h"
#include "core/text/train_bpe.h"
#include "experiments/predict.h"
#include "experiments/predict_rows.h"
#include "tests/deploy_case.h"
#include "tests/hf_folder.h"
#include "tests/program.h"

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

const std::string kSmallLlama = R"({"model_type": "llama", "vocab_size": 257, "hidden_size": 8,
    "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 12,
    "max_position_embeddings": 40})";

/// A folder of a tokenizer of bytes and a LLaMA with random weights, which says `made` to "film".
struct SmallFolder {
  SmallFolder() {
    BpeTrainer trainer({"</s>"});
    trainer.add_text("text", "good");
    write_tokenizer(trainer.train(257), folder.folder());
    const auto model = write_folder(folder, kSmallLlama);
    tokenizer = load_tokenizer(folder.folder());
    ids = prompt_ids(*tokenizer, "film");
    GenerationOptions options;
    options.longest = 9;
    made = model->continuations({ids}, options)[0].ids;
    int64_t id = 1;
    while (std::count(made.begin(), made.end(), id) > 0) ++id;
    unused = std::to_string(id);
  }
  /// Writes generation_config.json with these members; by default no end mark comes up.
  void set(const std::string& members, const std::string& end = "") const {
    folder.write("generation_config.json",
                 "{" + members + ", \"eos_token_id\": [" + (end.empty() ? unused : end) + "]}");
  }
  std::string text(int64_t tokens) const {
    return made_text(*tokenizer, {made.begin(), made.begin() + tokens});
  }
  PredictArguments arguments() const {
    PredictArguments arguments;
    arguments.what = folder.folder();
    arguments.output = scratch.path("out");
    arguments.prompts = {"film"};
    return arguments;
  }
  Scratch scratch, folder;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<int64_t> ids, made;
  std::string unused;  // an id that does not come up
};

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
  arguments.adapters = {lora_trials().scratch.path("adapter")};
  CHECK(predicted(arguments).back() == '\n');
  arguments.adapters = {"none"};
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
  // Twelve bytes stand before the text.
  CHECK(predicted_file("bytes.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"\xE9t\"}\n") ==
        folder + "bytes.jsonl:2: invalid UTF-8 at byte 13 of the record; save the file as UTF-8");
  PredictArguments arguments = of_trial();
  arguments.input = "absent.jsonl";
  CHECK(predicted(arguments) ==
        "absent.jsonl can't be read; give a file of JSON Lines, or - for standard input");
  arguments.input.clear();
  arguments.prompts = {"a"};
  arguments.second = "other";
  CHECK(predicted(arguments) ==
        "--second is 'other', but the model reads no pairs of texts; leave it out");
  arguments.second.clear();
  arguments.prompts = {""};
  CHECK(predicted(arguments) ==
        "prompt 1 is empty, and this tokenizer puts no mark before a text; give it a text");
  arguments.prompts = {"a"};
  arguments.output = "no/where";
  CHECK(predicted(arguments) ==
        "no/where can't be written; check the folder and the space on its disk");
}

TEST_CASE("a prompt too long is named by file and line before any row is written") {
  // The model has 200 positions, and a word that the tokenizer does not know is its bytes.
  const Scratch scratch;
  PredictArguments arguments = of_trial();
  const auto long_row = [](size_t letters) {
    return "{\"prompt\": \"a\"}\n\n{\"prompt\": \"" + std::string(letters, 'z') + "\"}\n";
  };
  arguments.batch = 1;
  arguments.output = scratch.path("out");
  arguments.input = scratch.write("long.jsonl", long_row(201));
  CHECK(predicted(arguments) ==
        arguments.input + ":3: the prompt has 201 tokens, and the model takes 200; shorten it");
  CHECK_FALSE(std::filesystem::exists(arguments.output));
  scratch.write("long.jsonl", long_row(0));
  CHECK(predicted(arguments) ==
        arguments.input +
            ":3: the prompt is empty, and this tokenizer puts no mark before a text; give it a "
            "text");
  CHECK_FALSE(std::filesystem::exists(arguments.output));
  scratch.write("long.jsonl", long_row(200));
  CHECK(lines_of(predicted(arguments)).size() == 2);
  arguments.input.clear();
  arguments.prompts = {"a", std::string(201, 'z')};
  CHECK(predicted(arguments) == "prompt 2 has 201 tokens, and the model takes 200; shorten it");
}

TEST_CASE("generation_config.json gives the length, and its beams are warned of") {
  const SmallFolder small;
  const std::string length = "\"max_length\": " + std::to_string(small.ids.size() + 6);
  small.set(length + ", \"num_beams\": 4");
  const Ended beams =
      lethe_run(small.scratch, {"predict", small.folder.folder(), "--prompt", "film"});
  CHECK(beams.code == 0);
  CHECK(beams.out == small.text(6) + "\n");
  CHECK(beams.err == "warning: num_beams = 4 in " + small.folder.path("generation_config.json") +
                         ": beams are not there, decoding is greedy\n");
  PredictArguments arguments = small.arguments();
  CHECK(small.text(8) != small.text(6));
  arguments.longest = 8;
  CHECK(predicted(arguments) == small.text(8) + "\n");
  arguments.longest.reset();
  small.set(length + ", \"max_new_tokens\": 8");
  CHECK(predicted(arguments) == small.text(8) + "\n");
  const std::string tokens = std::to_string(small.ids.size());
  small.set("\"max_length\": " + tokens);
  CHECK(predicted(arguments) == "prompt 1 has " + tokens + " tokens, and max_length = " + tokens +
                                    " of " + small.folder.path("generation_config.json") +
                                    " counts them; shorten it or give --max-new");
}

TEST_CASE("repeats are avoided as generation_config.json says, or as the command line does") {
  const SmallFolder small;
  const std::string length = "\"max_new_tokens\": 8";
  PredictArguments arguments = small.arguments();
  small.set(length);
  const std::string free = predicted(arguments);
  CHECK(free == small.text(8) + "\n");
  arguments.no_repeat_ngram = 1;
  const std::string once = predicted(arguments);
  CHECK(once != free);
  arguments.no_repeat_ngram.reset();
  small.set(length + ", \"no_repeat_ngram_size\": 1");
  CHECK(predicted(arguments) == once);
  arguments.no_repeat_ngram = 0;
  CHECK(predicted(arguments) == free);
  arguments.no_repeat_ngram.reset();
  small.set(length + ", \"repetition_penalty\": 1e6");  // whatever is in the text becomes last or 0
  const std::string penalised = predicted(arguments);
  CHECK(penalised != free);
  arguments.repetition_penalty = 1;
  CHECK(predicted(arguments) == free);
  small.set(length + ", \"repetition_penalty\": -1");
  arguments.repetition_penalty.reset();
  CHECK(predicted(arguments) ==
        "generation: repetition_penalty is -1, expected above 0; 1 changes nothing");
}

TEST_CASE("every end mark of generation_config.json ends a row, wherever it stands in the list") {
  const SmallFolder small;
  const std::vector<int64_t>& made = small.made;
  const auto end = std::find(made.begin(), made.end(), made[2]) - made.begin();
  const std::string third = std::to_string(made[2]);
  PredictArguments arguments = small.arguments();
  arguments.longest = 8;
  for (const std::string& both : {small.unused + ", " + third, third + ", " + small.unused}) {
    CAPTURE(both);
    small.set("\"max_length\": 40", both);
    CHECK(predicted(arguments) == small.text(end) + "\n");
  }
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
