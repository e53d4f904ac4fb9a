#include "core/formats/records.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/files.h"

using lethe::read_records;
using lethe::Record;
using Records = std::vector<Record>;

namespace {

Records records(const std::string& name, const std::string& text) {
  const Scratch scratch;
  return read_records(scratch.write(name, text));
}

/// What reading says, the file's folder left out.
std::string refusal(const std::string& name, const std::string& text) {
  const Scratch scratch;
  try {
    read_records(scratch.write(name, text));
  } catch (const lethe::Error& error) {
    std::string said = error.what();
    const std::string folder = scratch.folder() + "/";
    for (size_t at; (at = said.find(folder)) != std::string::npos;) said.erase(at, folder.size());
    return said;
  }
  return "accepted";
}

}  // namespace

TEST_CASE(
    "JSON Lines are read with blank lines, \\r\\n, a byte order mark and no last line break") {
  CHECK(records("a.jsonl", "\xef\xbb\xbf{\"a\":\"1\"}\r\n\r\n  \n{\"a\":\"2\\r\\n\\u00e9\"}") ==
        Records{{{"a", "1"}}, {{"a", "2\r\n\u00e9"}}});
}

TEST_CASE("values that are no texts become JSON text, null an empty one") {
  CHECK(records("a.jsonl", R"({"i":-7,"f":0.1,"t":true,"n":null,"l":[1, {"x": "y"}],"s":""})") ==
        Records{{{"i", "-7"},
                 {"f", "0.1"},
                 {"t", "true"},
                 {"n", ""},
                 {"l", R"([1,{"x":"y"}])"},
                 {"s", ""}}});
}

TEST_CASE("a JSON array of objects is read") {
  CHECK(records("a.json", "\n[ {\"a\": \"1\"},\n {\"b\": \"2\"} ]\n") ==
        Records{{{"a", "1"}}, {{"b", "2"}}});
}

TEST_CASE("CSV fields may be quoted, with commas, line breaks and doubled quotes") {
  CHECK(
      records(
          "a.csv",
          "\xef\xbb\xbftext,label\r\n\"one, \"\"two\"\"\r\nthree\",x\r\n\r\nplain \"q\",\n,\"\"") ==
      Records{{{"text", "one, \"two\"\r\nthree"}, {"label", "x"}},
              {{"text", "plain \"q\""}, {"label", ""}},
              {{"text", ""}, {"label", ""}}});
}

TEST_CASE("bad JSON Lines are named by file, line and column") {
  CHECK(refusal("a.jsonl", "{\"a\":1}\n{\"a\":") ==
        "a.jsonl:2: the JSON ends at column 6, expected the rest of it; is the file cut off?");
  CHECK(refusal("a.json", "[{\"a\":1},\n{\"a\":1}") ==
        "a.json:2: the JSON ends at column 8, expected the rest of it; is the file cut off?");
  CHECK(refusal("a.jsonl", "{\"a\":1}\n\n{\"a\":}\n") == "a.jsonl:3: no valid JSON at column 6");
  CHECK(refusal("a.jsonl", "{\"a\":1}\n[1]\n") == "a.jsonl:2: expected a JSON object, found array");
  CHECK(refusal("a.jsonl", "{\"a\":1e999}") == "a.jsonl:1: a number is out of range");
  CHECK(refusal("a.jsonl", "{\"a\":\"\xff\"}") ==
        "a.jsonl:1: invalid UTF-8 at byte 7 of the record; save the file as UTF-8");
}

TEST_CASE("a bad JSON array is named by file and line, or record") {
  CHECK(refusal("a.json", "[{\"a\":1},\n{\"a\":2},\n{\"a\" 3}]") ==
        "a.json:3: no valid JSON at column 6");
  CHECK(refusal("a.json", "[{\"a\":1},7]") ==
        "a.json:1 (record 2): expected a JSON object, found number");
  CHECK(
      refusal("a.json", "[{\"a\": \"[\\\"\\\\\"},\n\n {\"b\": [1,\n{\"c\": \"],\"}]}\r\n,\n\t7]") ==
      "a.json:6: expected a JSON object, found number");
  CHECK(refusal("a.json", "{\"a\":1}") ==
        "a.json: expected a JSON array of objects, found object; one object a line is read from "
        ".jsonl");
  CHECK(refusal("a.json", std::string(100'000, '[')) ==
        "a.json: a value is nested more than 64 levels deep");
}

TEST_CASE("bad CSV is named by file and line") {
  CHECK(refusal("a.csv", "a,b\n\"1\n2\",3\n4\n") ==
        "a.csv:4: 1 fields, expected the 2 of the first line");
  CHECK(refusal("a.csv", "a,b\n1,2,3\n") == "a.csv:2: 3 fields, expected the 2 of the first line");
  CHECK(
      refusal("a.csv", "a,b\n1,\"2\n") ==
      "a.csv:2: the quote opened here is never closed; expected a \" before the file's end: is it "
      "cut off?");
  CHECK(
      refusal("a.csv", "a,b\n1,\"2\"x\n") ==
      "a.csv:2: text follows the closing quote of field 2; expected a comma or the line's end, and "
      "quotes inside a field doubled");
  CHECK(refusal("a.csv", "a,a\n1,2\n") == "a.csv:1: the column 'a' stands twice in the first line");
}

TEST_CASE("a file without records is an error") {
  CHECK(refusal("a.jsonl", "\n \n") == "a.jsonl holds no records");
  CHECK(refusal("a.json", "") == "a.json holds no records");
  CHECK(refusal("a.json", "[]") == "a.json holds no records");
  CHECK(refusal("a.csv", "a,b\n") == "a.csv holds no records");
}

TEST_CASE("a missing file, a folder and an unknown extension are named") {
  const Scratch scratch;
  const std::string path = scratch.path("a.csv");
  CHECK_THROWS_WITH(read_records(path), "cannot open " + path + ": No such file or directory");
  std::filesystem::create_directory(path);
  CHECK_THROWS_WITH(read_records(path), "cannot read " + path + ": it is a folder");
  CHECK(refusal("a.txt", "x") ==
        "cannot read a.txt: unknown extension '.txt'; known: .csv, .json, .jsonl");
}
