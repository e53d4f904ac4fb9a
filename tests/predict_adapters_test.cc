// Several adapters on one model in `lethe predict`: one for all rows, or row by row.
#include "tests/catch.h"
// After Catch.
#include <nlohmann/json.hpp>

#include "experiments/predict.h"
#include "experiments/predict_adapters.h"
#include "tests/deploy_case.h"

using namespace lethe;

namespace {

using Words = std::vector<std::string>;

/// Trials 1 and 2, LoRAs that learned at different rates, and their exports "first" and "second".
struct TwoAdapters : DeployCase {
  TwoAdapters() {
    run(small_sweep(kLora));
    std::string other = small_sweep(kLora);
    const std::string rate = "lr = 0.05";
    run(other.replace(other.find(rate), rate.size(), "lr = 0.5"));
    export_model(to("1", "first"));
    export_model(to("2", "second"));
    both = {"one=" + scratch.path("first"), "two=" + scratch.path("second")};
  }

  /// What is generated for the rows, or what predict throws.
  Words generated(const std::string& rows, const Words& adapters, const std::string& use = "",
                  double temperature = 0) const {
    PredictArguments arguments;
    arguments.what = "1";
    arguments.db = db;
    arguments.longest = 12;
    arguments.batch = 2;
    arguments.temperature = temperature;
    arguments.adapters = adapters;
    arguments.use = use;
    arguments.input = scratch.write("rows.jsonl", rows);
    arguments.output = scratch.path("out");
    Words texts;
    try {
      predict_command(arguments);
    } catch (const Error& error) {
      return {error.what()};
    }
    std::istringstream lines(file_bytes(arguments.output));
    for (std::string line; std::getline(lines, line);) {
      texts.push_back(nlohmann::json::parse(line).at("generated"));
    }
    return texts;
  }

  Words both;
};

const TwoAdapters& two_adapters() {
  static const TwoAdapters& made = *new TwoAdapters;
  return made;
}

const std::string kThreePrompts =
    "{\"prompt\": \"a\"}\n{\"prompt\": \"sentiment: good\", \"adapter\": \"two\"}\n"
    "{\"prompt\": \"topic: a\", \"adapter\": \"one\"}\n{\"prompt\": \"t\", \"adapter\": \"two\"}\n"
    "{\"prompt\": \"good\", \"adapter\": null}\n";

}  // namespace

TEST_CASE("every row is read with its adapter, and says what it says with that one alone") {
  const TwoAdapters& made = two_adapters();
  for (const double temperature : {0.0, 1.5}) {
    CAPTURE(temperature);
    const Words one = made.generated(kThreePrompts, {made.both[0]}, "one", temperature);
    const Words two = made.generated(kThreePrompts, {made.both[1]}, "two", temperature);
    REQUIRE(one.size() == 5);
    REQUIRE(two.size() == 5);
    CHECK(one != two);
    CHECK(made.generated(kThreePrompts, made.both, "", temperature) ==
          Words{one[0], two[1], one[2], two[3], one[4]});
    CHECK(made.generated(kThreePrompts, made.both, "one", temperature) == one);
    CHECK(made.generated(kThreePrompts, made.both, "two", temperature) == two);
  }
}

TEST_CASE("adapters without a name are called as their folders") {
  const TwoAdapters& made = two_adapters();
  const Words folders = {made.scratch.path("first"), made.scratch.path("second") + "/"};
  const std::string row = "{\"prompt\": \"a\"}\n";
  CHECK(made.generated(row, folders, "second") == made.generated(row, made.both, "two"));
  CHECK(made.generated(row, folders) == made.generated(row, made.both, "one"));
}

TEST_CASE("unknown adapters are refused with those that are known") {
  const TwoAdapters& made = two_adapters();
  const std::string row = "{\"prompt\": \"a\", \"adapter\": \"three\"}\n";
  const std::string file = made.scratch.path("rows.jsonl");
  CHECK(made.generated(row, made.both) ==
        Words{file +
              ":1: the prompt is for the adapter 'three', but none is called so; known: one, two"});
  CHECK(made.generated(row, made.both, "three") ==
        Words{"--use is 'three', but no adapter is called so; known: one, two"});
  CHECK(made.generated(row, {}, "three") ==
        Words{"--use is 'three', but no adapter is given; give it with --adapter three=DIR"});
  CHECK(made.generated(row, {made.both[0], made.both[0]}) ==
        Words{"adapters can't be called 'one'; give every set a name of its own"});
  CHECK(made.generated("{\"prompt\": \"a\", \"adapter\": 3}\n", made.both) ==
        Words{file +
              ":1: 'adapter' is 3; expected an adapter's name as text, or choose one for all rows "
              "with --use"});
  CHECK(made.generated(row, {}).size() == 1);  // a field like any other
}

TEST_CASE("a batch has rows of one adapter, and only neighbours where that is asked for") {
  using Batches = std::vector<std::vector<size_t>>;
  const Words adapters = {"b", "a", "b", "b", "a"};
  CHECK(batches_of(adapters, 2, false) == Batches{{0, 2}, {3}, {1, 4}});
  CHECK(batches_of(adapters, 2, true) == Batches{{0}, {2, 3}, {1}, {4}});
  CHECK(batches_of({}, 2, false).empty());
}
