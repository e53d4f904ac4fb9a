// [[extra]]: seeds for some streams and methods. And options that stand in a trial's text only
// where they are unusual.
#include "tests/catch.h"
// After Catch.
#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/tune_case.h"

using namespace lethe;
using Words = std::vector<std::string>;

namespace {

const std::string kTwo =
    "[[method]]\nname = \"finetune\"\n[[method]]\nname = \"si\"\nlabel = \"path\"\n";
const std::string kFile =
    "seeds = [1, 2]\n[stream]\ntest_rows = [40, 50]\n" + kTwo +
    "[[extra]]\nseeds = [2, 3, 4]\nwhen.test_rows = 50\nmethods = [\"path\"]\n"
    "[[extra]]\nseeds = 7\nwhen.test_rows = 40\n";

// "path 50 3": label, test rows, seed.
Words shown(const std::vector<Trial>& trials) {
  Words all;
  for (const Trial& trial : trials) {
    all.push_back(trial.label + " " + trial.spec.stream.options.at("test_rows") + " " +
                  std::to_string(trial.spec.seed));
  }
  return all;
}

}  // namespace

TEST_CASE("extra seeds count on their streams and for their methods, each once") {
  CHECK(shown(trials_of(kFile)) == Words{"finetune 40 1", "finetune 40 2", "finetune 40 7",
                                         "path 40 1", "path 40 2", "path 40 7", "finetune 50 1",
                                         "finetune 50 2", "path 50 1", "path 50 2", "path 50 3",
                                         "path 50 4"});
  CHECK(parse_sweep(kFile, "s.toml").all_seeds() == std::vector<int64_t>{1, 2, 3, 4, 7});
  CHECK(trials_of(kTwo + "[[extra]]\nseeds = [5]\n").size() == 4);
}

TEST_CASE("extra seeds make the trials that a sweep of these seeds makes") {
  const auto more =
      trials_of("seeds = [1]\n[stream]\ntest_rows = 50\n" + kTwo + "[[extra]]\nseeds = [5]\n");
  const auto plain = trials_of("seeds = [5]\n[stream]\ntest_rows = 50\n" + kTwo);
  CHECK(canonical_text(more[1].spec) == canonical_text(plain[0].spec));
  CHECK(more[1].position == plain[0].position);
}

TEST_CASE("seeds given by --set are all seeds") {
  CHECK(shown(trials_of(kFile, {"seeds=9", "stream.test_rows=50"})) ==
        Words{"finetune 50 9", "path 50 9"});
}

TEST_CASE("bad extra seeds are refused at their line") {
  const std::string extra = kTwo + "[[extra]]\n";  // line 6
  CHECK(refusal(extra + "seed = 3") ==
        "s.toml:7: unknown key 'seed' in [[extra]]; known keys: seeds, when, methods");
  CHECK(refusal(extra) == "s.toml:6: an [[extra]] lacks 'seeds'; write e.g. seeds = [7, 8]");
  CHECK(refusal(extra + "seeds = [1, 2.5]") == "s.toml:7: seed '2.5' is no whole number");
  CHECK(refusal(extra + "seeds = 3\nwhen = 3") ==
        "s.toml:8: 'when' names no option; write e.g. when.scenario = \"task\"");
  CHECK(refusal(extra + "seeds = 3\nwhen.oder = \"random\"") ==
        "s.toml:8: unknown key 'oder' in when, the options of stream 'instructions'; known keys: "
        "data_seed, order, test_rows, train_rows, validation_rows");
  CHECK(refusal(extra + "seeds = 3\nmethods = [\"si\"]") ==
        "s.toml:6: [[extra]] names 'si', which is no method here; its methods: finetune, path");
  CHECK(refusal("extra = 3\n" + kTwo) == "s.toml:1: extra is no list; write [[extra]]");
  CHECK(refusal("extra = [3]\n" + kTwo) == "s.toml:1: extra holds no table; write [[extra]]");
}

TEST_CASE("a search keeps off extra seeds, runs none of them and writes them again") {
  const std::string file = "seeds = [0]\n" + kTwo +
                           "tune.si.c = [1, 2]\n[[extra]]\nseeds = [1, 2]\n"
                           "when.order = \"random\"\nmethods = [\"path\"]\n";
  const TunePlan plan = plan_of(file);
  CHECK(plan.settings.seed == 3);
  CHECK(plan.trials.size() == 2);
  CHECK(plan_refusal("[tune]\nseed = 2\n" + file.substr(12) + "[stream]\norder = \"random\"\n") ==
        "s.toml:2: the search's seed 2 is one of the sweep's seeds 1, 2, which are reported; "
        "search on another");
  const std::vector<TrialRecord> records = {finished(plan.trials[0], "aaaa", 1, .5),
                                            finished(plan.trials[1], "bbbb", 1, .6)};
  const std::string written = tuned_sweep(plan, choices_of(plan, records), "");
  CHECK_THAT(written, Catch::Contains("\n[[extra]]\nseeds = [1, 2]\nwhen.order = \"random\"\n"
                                      "methods = [\"path\"]\n"));
  CHECK(parse_sweep(written, "w.toml").all_seeds() == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("a pad of 0 leaves a trial's text as it was before there was a pad") {
  const Scratch scratch;
  write_set(scratch);
  const auto texts = [&](const std::string& more) {
    std::string all;
    for (const Trial& trial : trials_of("[stream]\nname = \"permuted\"\ndata = \"" +
                                        scratch.folder() + "\"\n" + more + "\n[model]\n" +
                                        "name = \"mlp\"\n[[method]]\nname = \"finetune\"\n"
                                        "when.pad = [0, 2]\n")) {
      all += trial.stream_label + "\n" + canonical_text(trial.spec) + "\n";
    }
    return all;
  };
  CHECK_THAT(texts(""), !Catch::Contains("pad"));
  CHECK(texts("pad = 0") == texts(""));
  CHECK_THAT(texts("pad = 2"),
             Catch::StartsWith("permuted pad=2\n") && Catch::Contains("\nstream.pad = 2\n"));
  CHECK(texts("pad = [0, 2]") == texts("") + texts("pad = 2"));
}
