// Reference files: what is read, and what is refused with its place.
#include <catch2/catch.hpp>

#include "analysis/reference.h"
#include "core/error.h"
#include "tests/files.h"
#include "tests/reference_case.h"

namespace lethe {
namespace {

std::string refused(const std::string& text) {
  try {
    parse_reference(text, "r.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string refused_figure(const std::string& rest) {  // which stands in lines 16 to 18
  return refused(kSources + kStream + figure("ewc", rest));
}

}  // namespace

TEST_CASE("a reference is read with its words, sources and figures", "[reference]") {
  const Reference read = parse_reference(
      "title = \"T\"\nintroduction = \"I\"\nnotes = \"N\"\nsections = [\"beside\", \"scores\"]\n"
      "code = \"theirs\"\n" +
          kSources + kStream +
          figure("ewc",
                 "published = [{ source = \"paper\", mean = 20, sem = 1 }]\n"
                 "measured = { 12 = 1, 3 = 2.5 }\nwhy = \"because\""),
      "r.toml");
  CHECK(read.text.title == "T");
  CHECK(read.text.introduction == "I");
  CHECK(read.text.notes == "N");
  CHECK(read.text.sections == std::vector<std::string>{"beside", "scores"});
  CHECK(read.code == "theirs");
  REQUIRE(read.sources.size() == 2);
  CHECK(read.sources[1].key == "first");
  CHECK(read.sources[1].status == FigureStatus::quoted);
  CHECK_FALSE(read.sources[1].seeds);
  REQUIRE(read.streams.size() == 1);
  CHECK(read.streams[0].when == OptionMap{{"scenario", "class"}, {"tasks", "5"}});
  REQUIRE(read.streams[0].figures.size() == 1);
  const ReferenceFigure& figure = read.streams[0].figures[0];
  CHECK(figure.metric == "final_average");
  CHECK(figure.why == "because");
  CHECK(figure.line == 21);
  CHECK(figure.measured == std::vector<std::pair<int64_t, double>>{{3, 2.5}, {12, 1}});
  CHECK(figure.published[0].figure.seeds == 4);
  CHECK(figure.published[0].figure.sem == 1.0);
  CHECK(parse_reference("", "r.toml").text.title == "Lethe report");
}

TEST_CASE("an unknown key of a reference is refused with the known ones", "[reference]") {
  CHECK(refused("heading = \"x\"\n") ==
        "r.toml:1: unknown key 'heading' in the reference; known keys: title, introduction, notes, "
        "sections, code, source, stream");
  CHECK(refused("[[source]]\nname = \"x\"\n") ==
        "r.toml:2: unknown key 'name' in [[source]]; known keys: key, cite, status, seeds");
  CHECK(refused(kStream + "scenario = \"task\"\n") ==
        "r.toml:7: unknown key 'scenario' in [[stream]]; known keys: name, when, title, model, "
        "metric, figure");
  CHECK(refused_figure("mean = 3") ==
        "r.toml:18: unknown key 'mean' in [[stream.figure]]; known keys: method, metric, "
        "published, measured, why");
  CHECK(refused_figure("published = [{ source = \"paper\", mean = 3, sd = 1 }]") ==
        "r.toml:18: unknown key 'sd' in published; known keys: source, mean, sem, seeds, status, "
        "why");
}

TEST_CASE("an unknown source, status, section or metric is refused with the known ones",
          "[reference]") {
  CHECK(refused_figure("published = [{ source = \"papers\", mean = 3 }]") ==
        "r.toml:18: unknown source 'papers'; known sources: paper, first");
  CHECK(refused_figure("published = [{ source = \"paper\", mean = 3, status = \"sure\" }]") ==
        "r.toml:18: unknown status 'sure'; known: confirmed, recalled, quoted");
  CHECK(refused("sections = [\"scores\", \"score\"]\n") ==
        "r.toml:1: unknown section 'score'; known sections: run, notes, beside, relations, scores, "
        "formats, figures, matrices, transfer, base, memory, time, samples, definitions");
  const std::string metric = refused_figure("metric = \"accuracy\"\nmeasured = { 1 = 2 }");
  CHECK(metric.rfind("r.toml:18: unknown metric 'accuracy'; known metrics: final_average, ", 0) ==
        0);
}

TEST_CASE("values of a reference have their types", "[reference]") {
  const auto one = [](const std::string& rest) {
    return refused_figure("published = [{ source = \"paper\", " + rest + " }]");
  };
  CHECK(one("mean = \"3\"") == "r.toml:18: 'mean' of published is not a number");
  CHECK(one("sem = 1") == "r.toml:18: published lacks the key 'mean'");
  CHECK(one("mean = 3, sem = 0") ==
        "r.toml:18: 'sem' of published is not a number > 0; leave it out where unknown");
  CHECK(one("mean = 3, seeds = 0.5") ==
        "r.toml:18: 'seeds' of published is not a whole number >= 1");
  CHECK(refused_figure("measured = [1, 2]") ==
        "r.toml:18: 'measured' of [[stream.figure]] is not a table such as { 2 = 19.79 }");
  CHECK(refused_figure("measured = { first = 2 }") ==
        "r.toml:18: 'measured' of [[stream.figure]] is not a table of numbers by seed, such as { 2 "
        "= 19.79 }");
  CHECK(refused_figure("published = 3") ==
        "r.toml:18: 'published' of [[stream.figure]] is not an array of tables");
  CHECK(refused("sections = \"scores\"\n") ==
        "r.toml:1: 'sections' of the reference is not a list of texts");
  CHECK(refused("[[stream]]\nname = \"split\"\nwhen = 3\n") ==
        "r.toml:3: 'when' of [[stream]] is not a table; write e.g. when.scenario = \"task\"");
  CHECK(refused("[[stream]]\nname = \"split\"\nwhen.scenario = [1]\n") ==
        "r.toml:3: 'scenario' of when is not a number, true, false or text");
}

TEST_CASE("what stands twice, and what says nothing, is refused", "[reference]") {
  const std::string twice = "{ source = \"paper\", mean = 3 }";
  CHECK(refused_figure("published = [" + twice + ",\n" + twice + "]") ==
        "r.toml:19: two figures of source 'paper' for 'ewc'; keep one");
  CHECK(refused(kSources + kSources) ==
        "r.toml:11: source 'paper' is there already; give each a key of its own");
  CHECK(refused_figure("measured = { 1 = 2 }\n" + figure("ewc", "measured = { 2 = 2 }")) ==
        "r.toml:19: a second figure of final_average for 'ewc'; write both values into one");
  CHECK(refused_figure("why = \"no\"") ==
        "r.toml:16: a [[stream.figure]] of 'ewc' has no value; give it 'published' or 'measured'");
  const std::string bad = refused("title = T\n");
  CHECK(bad.rfind("r.toml:1:9: ", 0) == 0);
}

TEST_CASE("a reference that can't be read is named", "[reference]") {
  const Scratch scratch;
  CHECK_THROWS_WITH(
      read_reference(scratch.path("none.toml")),
      "reference " + scratch.path("none.toml") + " can't be read; give the path of a TOML file");
  CHECK_THROWS_WITH(
      read_reference(scratch.folder()),
      "reference " + scratch.folder() + " can't be read; give the path of a TOML file");
}

}  // namespace lethe
