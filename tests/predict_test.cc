// `lethe predict`: prompts and files of rows in, text out.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "experiments/predict_rows.h"
#include "tests/deploy_case.h"

using Catch::Contains;
using nlohmann::json;

namespace {

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("rows come back with what was generated, whatever the batch") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora, "max_length = 200\n");
  run_small(scratch);
  scratch.write("rows.jsonl",
                "{\"id\": 7, \"prompt\": \"sentiment: good\"}\n\n{\"prompt\": \"topic: a\", \"x\": "
                "[1, \"\xC3\xBC\"]}\n{\"prompt\": \"t\"}\n");
  const Ended one = lethe_run(
      scratch, {"predict", "1", "--input", "rows.jsonl", "--max-new", "5", "--batch", "1"});
  CAPTURE(one.err);
  CHECK(one.code == 0);
  const std::vector<json> lines = lines_of(one.out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].at("id") == 7);
  CHECK(lines[1].at("x") == json::parse("[1, \"\xC3\xBC\"]"));
  for (const json& line : lines) {
    CHECK(line.at("generated").is_string());
    CHECK(line.at("ended").is_boolean());
  }
  const Ended all = lethe_run(scratch, {"predict", "1", "--input", "rows.jsonl", "--max-new", "5",
                                        "--batch", "3", "-o", "out.jsonl"});
  CHECK(all.out.empty());
  CHECK(file_bytes(scratch.path("out.jsonl")) == one.out);
  // The same prompt on the command line gives the same text.
  const Ended prompt =
      lethe_run(scratch, {"predict", "1", "--prompt", "topic: a", "--max-new", "5"});
  CHECK(prompt.out == lines[1].at("generated").get<std::string>() + "\n");
}

TEST_CASE("sampling draws by its seed, row by row") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora, "max_length = 200\n");
  run_small(scratch);
  const auto drawn = [&](const std::string& seed) {
    return lethe_run(scratch, {"predict", "1", "--prompt", "a", "--prompt", "a", "--temperature",
                               "1.5", "--seed", seed, "--max-new", "12"})
        .out;
  };
  const std::string first = drawn("1");
  CHECK(drawn("1") == first);
  CHECK(drawn("2") != first);
}

TEST_CASE("an adapter on a trial's model changes what it says, and belongs to its family") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora, "family = \"llama\"\nmax_length = 200\n");
  run_small(scratch);
  CHECK(lethe_run(scratch, {"export", "1", "--to", "adapter"}).code == 0);
  CHECK(lethe_run(scratch, {"predict", "1", "--prompt", "a", "--adapter", "adapter"}).code == 0);
  check_refused(
      scratch,
      {{{"predict", "1", "--prompt", "a", "--adapter", "none"},
        "error: none/adapter_config.json can't be read; give a folder with adapter_config.json and "
        "adapter_model.safetensors\n"},
       {{"predict", "adapter", "--prompt", "a"},
        "error: adapter is an adapter of '', and no folder with a config.json is there; give the "
        "folder of the base, and the adapter with --adapter adapter\n"}});
}

TEST_CASE("wrong rows are named by file and line") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora);
  run_small(scratch);
  scratch.write("bad.jsonl", "{\"prompt\": \"a\"}\n[1]\n");
  scratch.write("field.jsonl", "\n{\"text\": \"a\"}\n");
  scratch.write("none.jsonl", "\n \n");
  check_refused(
      scratch,
      {{{"predict", "1"},
        "error: give prompts with --prompt TEXT, or a file of them with --input FILE, not both\n"},
       {{"predict", "1", "--prompt", "a", "--input", "bad.jsonl"}, "not both\n"},
       {{"predict", "1", "--input", "bad.jsonl"},
        "error: bad.jsonl:2: expected one JSON object a line, found: [1]\n"},
       {{"predict", "1", "--input", "field.jsonl"},
        "error: field.jsonl:2: the record has no text under 'prompt'; name the field that holds "
        "prompts with --field\n"},
       {{"predict", "1", "--input", "none.jsonl"},
        "error: none.jsonl holds no rows; give one JSON object a line\n"},
       {{"predict", "1", "--input", "absent.jsonl"},
        "error: absent.jsonl can't be read; give a file of JSON Lines, or - for standard input\n"},
       {{"predict", "1", "--prompt", ""},
        "error: a prompt is empty, and this tokenizer has no begin mark; give it a text\n"},
       {{"predict", "1", "--prompt", "a", "-o", "no/where"},
        "error: no/where can't be written; check the folder and the space on its disk\n"}});
}

TEST_CASE("a terminal is shown whole characters only") {
  using lethe::fresh_text;
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
