// The sweep that `lethe tune` writes, and the keys that it refuses.
#include "tests/catch.h"
// After Catch.
#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/tune_case.h"

using namespace lethe;
using Catch::Contains;
using Catch::StartsWith;
using Words = std::vector<std::string>;

namespace {

const std::string kEwcTable = "[[method]]\nname = \"ewc\"\n";
const std::string kTunedSweep = kEwcTable + "tune.ewc.lambda = [1, 10, 100]\n";

const std::string kMine = R"(
name = "mine \"1\""
seeds = [1, 2]
[tune]
seed = 9
[stream]
order = ["topic,python", "random"]
train_rows = 1000
[model]
pretrain_steps = 0
[train]
lr = 3e-4
reset_optimizer = false
[[method]]
name = "finetune"
label = "finetune # plain"
train.lr = [0.1, 1e-5]
[[method]]
name = "ewc"
lambda = 77
ewc.rows = 20
tune.ewc.lambda = [1, 10]
[[method]]
name = "lora"
when.order = "random"
tune.train.lr = [1e-4, 1e-3]
tune.lora.targets = ["all", "q,v"]
)";

// Its ewc with 10 on the first stream and 1 on the second; its lora with 1e-3 and "q,v".
const std::string kByHand = R"(
name = "mine \"1\""
seeds = [1, 2]
[stream]
order = ["topic,python", "random"]
train_rows = 1000
[model]
pretrain_steps = 0
[train]
lr = 3e-4
reset_optimizer = false
[[method]]
name = "finetune"
label = "finetune # plain"
train.lr = [0.1, 1e-5]
[[method]]
name = "ewc"
ewc.rows = 20
lambda = 10
when.order = "topic,python"
[[method]]
name = "ewc"
ewc.rows = 20
lambda = 1
when.order = "random"
[[method]]
name = "lora"
train.lr = 1e-3
targets = "q,v"
when.order = "random"
)";

std::string texts(const std::vector<Trial>& trials) {
  std::string all;
  for (const Trial& trial : trials) {
    all += trial.sweep + "/" + trial.label + "/" + trial.stream_label + "\n" +
           canonical_text(trial.spec) + "\n\n";
  }
  return all;
}

/// The plan's trials finished, with these final scores on task 1.
std::vector<Choice> chosen(const TunePlan& plan, const std::vector<double>& scores) {
  REQUIRE(plan.trials.size() == scores.size());
  std::vector<TrialRecord> records;
  for (size_t i = 0; i < scores.size(); ++i) {
    records.push_back(
        finished(plan.trials[i], std::string(16, static_cast<char>('a' + i)), 1, scores[i]));
  }
  return choices_of(plan, records);
}

}  // namespace

TEST_CASE("the written sweep, read back, has the chosen values for each stream and nothing else") {
  const TunePlan plan = plan_of(kMine);
  const auto choices = chosen(plan, {0.1, 0.2, 0.4, 0.3, 0.1, 0.1, 0.1, 0.9});
  REQUIRE(choices.size() == 3);
  const std::string written = tuned_sweep(plan, choices, "");
  CHECK(texts(expand(parse_sweep(written, "mine.tuned.toml"), builtin_methods())) ==
        texts(trials_of(kByHand)));
}

TEST_CASE("the written sweep is recorded, with the trials behind each choice") {
  TuneRequest request;
  request.seed = 5;
  const TunePlan plan = plan_of(kTunedSweep + "[[method]]\nname = \"si\"\n", request);
  CHECK(
      tuned_sweep(plan, chosen(plan, {0.5, 0.75, 0.25}), "out") ==
      R"(# Made by `lethe tune`. Options below a table of candidates are the best of them, marked *, on
# validation rows and seed 5, which is not reported.
name = "s"
seeds = [1]

[stream]
name = "instructions"

[model]
name = "decoder"

# ewc | instructions (validation rows) | decoder: 3 candidates, grid search, seed 5, by final_average (higher is better)
#   ewc.lambda  final_average  trial
#   1           0.75           aaaaaaaaaaaaaaaa
# * 10          0.875          bbbbbbbbbbbbbbbb
#   100         0.625          cccccccccccccccc
[[method]]
name = "ewc"
ewc.lambda = 10

[[method]]
name = "si"
)");
}

TEST_CASE("relative paths of data start at the written file, absolute ones stay") {
  const Scratch scratch;
  write_set(scratch);
  const auto written = [&](const std::string& data, const std::string& folder) {
    const TunePlan plan = plan_of("[stream]\nname = \"split\"\ndata = \"" + data +
                                  "\"\nvalidation = 2\n[model]\nname = \"mlp\"\n" + kTunedSweep);
    const std::string text = tuned_sweep(plan, chosen(plan, {1, 1, 1}), folder);
    const size_t at = text.find("data = ");
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(written(scratch.folder(), "a/b") == "data = \"" + scratch.folder() + "\"");
  const std::string here = std::filesystem::relative(scratch.folder()).string();
  CHECK(written(here, "") == "data = \"" + here + "\"");
  CHECK(written(here, "a/b") == "data = \"../../" + here + "\"");
  CHECK(written("x/../" + here, "a") == "data = \"../" + here + "\"");
}

TEST_CASE("text tasks are written with all that decides them") {
  const Scratch scratch;
  std::string rows;
  for (int i = 0; i < 10; ++i) {
    rows += "{\"q\": \"question " + std::to_string(i) + "\", \"label\": \"1\"}\n";
  }
  scratch.write("a.jsonl", rows);
  const std::string tasks =
      "[stream]\nname = \"text\"\nvalidation_part = 0.2\n[[stream.task]]\nname = \"one\"\nfile = "
      "\"" +
      scratch.path("a.jsonl") +
      "\"\nprompt = \"{q}\\nA \\\"B\\\":\"\nlabels = [1, \"two\"]\n[[stream.task]]\nname = \"2\"\n"
      "train = \"" +
      scratch.path("a.jsonl") + "\"\ntest = \"" + scratch.path("a.jsonl") +
      "\"\nresponse = \"{q}\"\nmetric = \"loss\"\nprompt = \"{label}\"\nskip = true\nstop = "
      "[\"\\n\"]\ntest_rows = 3\n[[stream.probe]]\nname = \"p\"\nform = \"text\"\nfile = \"" +
      scratch.path("a.jsonl") + "\"\nwindow = 9\n";
  const TunePlan plan = plan_of(tasks + kTunedSweep);
  const std::string written = tuned_sweep(plan, chosen(plan, {0.2, 0.1, 0.1}), "");
  CHECK(texts(expand(parse_sweep(written, "s.toml"), builtin_methods())) ==
        texts(trials_of(tasks + kEwcTable + "ewc.lambda = 1\n")));
}

TEST_CASE("a bad search space is refused at its line") {
  CHECK(refusal(kEwcTable + "tune.ewc.lambda = []") ==
        "s.toml:3: 'tune.ewc.lambda' is an empty list; give a value");
  CHECK(refusal(kEwcTable + "tune.ewc = {}") ==
        "s.toml:3: 'tune.ewc' is empty; write e.g. tune.train.lr = [1e-4, 1e-3]");
  CHECK(refusal(kEwcTable + "tune = 3") ==
        "s.toml:3: 'tune' of a method names no option; write e.g. tune.train.lr = [1e-4, 1e-3]");
  CHECK(refusal(kEwcTable + "tune.ewc.lambda = [1, 1.0]") ==
        "s.toml:3: 'tune.ewc.lambda' has 1 twice; name it once");
  CHECK_THAT(refusal(kEwcTable + "tune.train.lr = { from = 1e-5 }"),
             StartsWith("s.toml:3: the range 'tune.train.lr' lacks 'to'; write e.g. { from = "));
  CHECK(refusal(kEwcTable + "tune.train.lr = { from = 1, to = \"2\" }") ==
        "s.toml:3: 'to' of the range 'tune.train.lr' is no number");
  CHECK(refusal(kEwcTable + "tune.train.lr = { from = 1, to = 1 }") ==
        "s.toml:3: the range 'tune.train.lr' goes from 1 to 1; 'from' must be below 'to'");
  CHECK(refusal(kEwcTable + "tune.train.lr = { from = 0, to = 1, scale = \"log\" }") ==
        "s.toml:3: the range 'tune.train.lr' begins at 0; a log scale needs numbers above 0");
  CHECK(refusal(kEwcTable + "tune.train.lr = { from = 0, to = 1, scale = \"exp\" }") ==
        "s.toml:3: scale 'exp' of the range 'tune.train.lr' is unknown; expected linear or log");
  CHECK(refusal(kEwcTable + "tune.train.lr = { from = 0, to = 1, step = 3 }") ==
        "s.toml:3: unknown key 'step' in the range 'tune.train.lr'; known keys: from, to, scale");
  CHECK(refusal("tune = 3\n" + kEwcTable) == "s.toml:1: 'tune' is no table; write [tune]");
  CHECK(refusal("[tune]\nbudget = 0\n" + kEwcTable) ==
        "s.toml:2: 'tune.budget' is 0; expected 1 or more");
  CHECK(refusal("[tune]\nseed = 1.5\n" + kEwcTable) == "s.toml:2: 'tune.seed' is no whole number");
  CHECK(refusal("[tune]\nsearch = \"bayes\"\n" + kEwcTable) ==
        "s.toml:2: 'tune.search' is 'bayes'; expected grid or random");
  CHECK(refusal("[tune]\nseeds = 1\n" + kEwcTable) ==
        "s.toml:2: unknown key 'seeds' in [tune]; known keys: search, seed, budget, objective");
}

TEST_CASE("a search that says nothing or the wrong thing is refused before it runs") {
  TuneRequest request;
  CHECK(plan_refusal(kEwcTable) ==
        "s.toml: no method has a search space; add e.g. tune.ewc.lambda = [1, 10, 100] to a "
        "[[method]]");
  CHECK(
      plan_refusal("seeds = [1, 2]\n[tune]\nseed = 2\n" + kTunedSweep) ==
      "s.toml:3: the search's seed 2 is one of the sweep's seeds 1, 2, which are reported; search "
      "on another");
  request.seed = 1;
  CHECK(plan_refusal(kTunedSweep, request) ==
        "the search's seed 1 is one of the sweep's seeds 1, which are reported; search on another");
  CHECK_THAT(plan_refusal("[tune]\nobjective = \"accuracy\"\n" + kTunedSweep),
             StartsWith("s.toml:2: unknown objective 'accuracy'; known objectives: final_average, "
                        "final_perplexity, average_incremental, "));
  request = {};
  request.objective = "final";
  CHECK_THAT(plan_refusal(kTunedSweep, request),
             StartsWith("unknown objective 'final'; known objectives: final_average, "));
  request = {};
  request.search = "random";
  CHECK(plan_refusal(kTunedSweep, request) ==
        "a random search needs a budget; give --budget N, the candidates of a method, or budget in "
        "[tune]");
  request.budget = 9;
  CHECK(plan_refusal(kTunedSweep, request) == "3 trials");
  CHECK(plan_of(kTunedSweep, request).notes ==
        Words{"'ewc' has 3 candidates, fewer than the budget of 9"});
  request.search = "grid";
  request.budget = 2;
  CHECK(plan_refusal(kTunedSweep, request) ==
        "s.toml:2: the grid of 'ewc' has 3 candidates, above the budget of 2; raise the budget, "
        "shorten its lists, or search with --search random");
}

TEST_CASE("spaces that the trials can't have are refused with the option") {
  CHECK_THAT(plan_refusal(kEwcTable + "tune.ewc.lamda = [1]"),
             StartsWith("s.toml:3: unknown option 'lamda' of ewc; known options: "));
  CHECK(plan_refusal(kEwcTable + "\ntune.ewc.lambda = [1, -1]") ==
        "s.toml:4: option 'lambda' of ewc is -1; expected >= 0");
  CHECK(plan_refusal(kTunedSweep + "tune.lambda = [1]") ==
        "s.toml:4: 'tune.lambda' of 'ewc' stands there twice, also as 'tune.ewc.lambda'; keep one");
  CHECK_THAT(plan_refusal(kTunedSweep + "ewc.rows = [1, 2]"),
             StartsWith("s.toml:4: 'ewc.rows' of 'ewc', which has search spaces, has 2 values, and "
                        "a search chooses for one; "));
  CHECK_THAT(plan_refusal("[train]\nlr = [1, 2]\n" + kTunedSweep),
             StartsWith("s.toml:2: 'lr' of [train] has 2 values, and a search chooses for one; "));
  CHECK_THAT(plan_refusal(kEwcTable + "tune.train.lr = { from = 0.1, to = 1 }"),
             StartsWith("s.toml:2: 'tune.train.lr' is a range, which has no grid; "));
}
