// --set: what it changes in a sweep, and what it refuses.
#include "tests/catch.h"
// After Catch.
#include "tests/sweep_case.h"

using namespace lethe;
using Words = std::vector<std::string>;

namespace {

const std::string kFinetune = "[[method]]\nname = \"finetune\"\n";
const std::string kEwc = "[[method]]\nname = \"ewc\"\n";

Trial only(const std::string& text, const std::vector<std::string>& overrides) {
  const auto trials = trials_of(text, overrides);
  REQUIRE(trials.size() == 1);
  return trials[0];
}

}  // namespace

TEST_CASE("a strategy's option takes the place of the one in the file, however that is written") {
  for (const std::string in_file : {"", "lambda = 10", "ewc.lambda = 10", "lambda = [10, 20]"}) {
    CAPTURE(in_file);
    CHECK(option(only(kEwc + in_file, {"method.ewc.lambda=3"}), 0, "lambda") == "3");
  }
}

TEST_CASE("a strategy's option reaches every method that has the strategy, by whatever name") {
  const std::string file = kFinetune + kEwc +
                           "[[method]]\nname = \"qlora\"\nrank = 2\n"
                           "[[method]]\nname = \"lora\"\n"
                           "[[method]]\nname = \"ewc+qlora\"\nlora.rank = 2\n";
  const auto trials = trials_of(file, {"method.lora.rank=4"});
  REQUIRE(trials.size() == 5);
  CHECK(option(trials[2], 0, "rank") == "4");
  CHECK(option(trials[3], 0, "rank") == "4");
  CHECK(option(trials[4], 0, "rank") == "4");
}

TEST_CASE("an alias in --set reaches only the methods written with it") {
  const std::string file = "[[method]]\nname = \"qlora\"\n[[method]]\nname = \"lora\"\n";
  const auto trials = trials_of(file, {"method.qlora.rank=4"});
  CHECK(option(trials.at(0), 0, "rank") == "4");
  CHECK(option(trials.at(1), 0, "rank") == "8");
}

TEST_CASE("an option that two strategies of a method have stays unclear in the file") {
  const std::string file = "[[method]]\nname = \"lora+distill\"\nalpha = 2\n";
  CHECK_THAT(
      refusal(file, {"method.lora.alpha=3"}),
      Catch::StartsWith("s.toml:3: option 'alpha' of method 'lora+distill' belongs to both"));
}

TEST_CASE("a strategy's option that reaches no method names those of the sweep") {
  const std::string file = kFinetune + kEwc + "[[method]]\nname = \"ewc+lora\"\n";
  CHECK(refusal(file, {"method.si.c=3"}) ==
        "--set 'method.si.c=3': no method of the sweep has a strategy 'si'; its methods: finetune, "
        "ewc, ewc+lora");
  CHECK(refusal(kFinetune, {"method.finetune.lambda=3"}) ==
        "--set 'method.finetune.lambda=3': no method of the sweep has a strategy 'finetune'; its "
        "methods: finetune");
}

TEST_CASE("a strategy's option that it lacks, and a value out of range, name the override") {
  CHECK(refusal(kEwc, {"method.ewc.lamda=3"}) ==
        "--set 'method.ewc.lamda=3': unknown option 'lamda' of ewc; known options: batch, clamp, "
        "combine, "
        "decay_in_loss, divisor, gamma, heads, labels, lambda, mode, per, rows");
  CHECK_THAT(refusal(kEwc, {"method.ewc.lambda=3,-1"}),
             Catch::StartsWith("--set 'method.ewc.lambda=3,-1': option 'lambda'") &&
                 Catch::Contains(">= 0"));
}

TEST_CASE("commas make a list, and a list makes a grid") {
  CHECK(labels(trials_of(kEwc, {"method.ewc.lambda=1,2", "seeds=7,8"})) ==
        Words{"ewc ewc.lambda=1", "ewc ewc.lambda=1", "ewc ewc.lambda=2", "ewc ewc.lambda=2"});
  CHECK(trials_of(kFinetune, {"seeds=7,8"})[1].spec.seed == 8);
}

TEST_CASE("a value that begins with a bracket or a quote is TOML") {
  const auto order = [](const std::string& value) {
    Words found;
    for (const Trial& trial : trials_of(kFinetune, {"stream.order=" + value})) {
      found.push_back(trial.spec.stream.options.at("order"));
    }
    return found;
  };
  CHECK(order("topic") == Words{"topic"});
  CHECK(order("\"topic,python\"") == Words{"topic,python"});
  CHECK(order("'topic,python'") == Words{"topic,python"});
  CHECK(order("[\"topic,python\", 'random']") == Words{"topic,python", "random"});
  CHECK(only(kFinetune, {"train.lr=[1e-2]"}).spec.training.at("lr") == "0.01");
}

TEST_CASE("a value that should be TOML and is none says so") {
  const std::string said = "' has a bracket or quote first and so must be one TOML value: ";
  CHECK_THAT(refusal(kFinetune, {"seeds=[1, 2"}),
             Catch::StartsWith("--set 'seeds=[1, 2" + said + "value:1:"));
  CHECK(refusal(kFinetune, {"seeds=[]"}) ==
        "--set 'seeds=[]" + said + "'seeds' is an empty list; give a value");
  CHECK(refusal(kFinetune, {"seeds=[{a = 1}]"}) ==
        "--set 'seeds=[{a = 1}]" + said +
            "'seeds' holds a table or date; expected a number, true, false, text, or a list of "
            "them");
  CHECK(refusal(kFinetune, {"seeds=[1]\nother = 2"}) ==
        "--set 'seeds=[1]\nother = 2" + said + "it holds more than one value");
}

TEST_CASE("training options hold for every method, even those with their own") {
  const auto trials =
      trials_of(kFinetune + kEwc + "train.steps = 9\ntrain.lr = 0.5\n", {"train.steps=4"});
  CHECK(trials.at(0).spec.training.at("steps") == "4");
  CHECK(trials.at(1).spec.training.at("steps") == "4");
  CHECK(trials.at(1).spec.training.at("lr") == "0.5");
}

TEST_CASE("stream and model options replace those of the file, a method's own stay") {
  const std::string file =
      "[stream]\ntest_rows = 5\n[model]\nwidth = 8\n" + kEwc + "model.width = 32\n" + kFinetune;
  const auto trials = trials_of(file, {"stream.test_rows=7", "model.width=16"});
  CHECK(trials.at(0).spec.stream.options.at("test_rows") == "7");
  CHECK(trials.at(0).spec.model.options.at("width") == "32");
  CHECK(trials.at(1).spec.model.options.at("width") == "16");
}

TEST_CASE("an override of another form is refused") {
  CHECK(refusal(kFinetune, {"steps"}) == "--set 'steps' has no '='; write key=value");
  CHECK(refusal(kFinetune, {"train.steps="}) ==
        "--set 'train.steps=' has no value; write key=value");
  for (const std::string key : {"steps", "trian.steps", "method.ewc", "train."}) {
    CHECK(refusal(kFinetune, {key + "=1"}) ==
          "--set '" + key + "=1': unknown key '" + key +
              "'; expected seeds, train.OPTION, stream.OPTION, model.OPTION or "
              "method.STRATEGY.OPTION");
  }
  CHECK(refusal(kFinetune, {"seeds=1,two"}) ==
        "--set 'seeds=1,two': seed 'two' is no whole number");
  CHECK(refusal(kFinetune, {"seeds=1.5"}) == "--set 'seeds=1.5': seed '1.5' is no whole number");
  CHECK(refusal(kFinetune, {"stream.data=a,b"}) ==
        "--set 'stream.data=a,b': 'data' takes one folder; put a path with commas into quotes");
  CHECK_THAT(refusal(kFinetune, {"train.stpes=1"}),
             Catch::StartsWith("unknown key 'stpes' in [train]; known keys: accumulate, batch,"));
}
