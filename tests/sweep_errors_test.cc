// What a sweep file is refused for, with file and line.
#include "tests/catch.h"
// After Catch.
#include "tests/image_set.h"
#include "tests/sweep_case.h"

using namespace lethe;
using Catch::StartsWith;

namespace {

const std::string kMethod = "[[method]]\nname = \"finetune\"\n";

}  // namespace

TEST_CASE("text that is no TOML is refused at line and column") {
  CHECK_THAT(refusal("seeds = [1, 2]\nname == 3\n" + kMethod), StartsWith("s.toml:2:7: "));
}

TEST_CASE("an unknown key is refused with the known ones of its place") {
  CHECK(refusal("seed = 3\n" + kMethod) ==
        "s.toml:1: unknown key 'seed' in the sweep; known keys: name, seeds, extra, keep, stream, "
        "model, "
        "train, tune, method");
  CHECK(refusal("[stream]\n\ntest_row = 3\n" + kMethod) ==
        "s.toml:3: unknown key 'test_row' in [stream]; known keys: data_seed, order, test_rows, "
        "train_rows, validation_rows");
  CHECK(refusal("[model]\nname = \"mlp\"\ndepth = 3\n" + kMethod) ==
        "s.toml:3: unknown key 'depth' in [model]; known keys: base, block, layers, "
        "skip, width");
  CHECK_THAT(
      refusal("[train]\nlearning_rate = 3\n" + kMethod),
      StartsWith("s.toml:2: unknown key 'learning_rate' in [train]; known keys: accumulate,"));
  CHECK(refusal(kMethod + "[[method]]\nname = \"ewc\"\newc.lamda = 3") ==
        "s.toml:5: unknown option 'lamda' of ewc; known options: batch, clamp, combine, "
        "decay_in_loss, divisor, "
        "gamma, heads, labels, lambda, mode, per, rows");
  CHECK(refusal(kMethod + "when.oder = \"random\"") ==
        "s.toml:3: unknown key 'oder' in when, the options of stream 'instructions'; known keys: "
        "data_seed, order, test_rows, train_rows, validation_rows");
  CHECK_THAT(refusal(kMethod + "train.stpes = 3"),
             StartsWith("s.toml:3: unknown option 'stpes' of train; known options: accumulate,"));
  CHECK_THAT(refusal(kMethod + "model.witdh = 3"),
             StartsWith("s.toml:3: unknown option 'witdh' of decoder; known options: base,"));
}

TEST_CASE("an option that another one switches off is refused at the method's line") {
  CHECK(refusal(kMethod + "[[method]]\nname = \"ewc\"\newc.gamma = 0.5\n") ==
        "s.toml:4: ewc: gamma = 0.5 does nothing with mode = offline; set mode = online, or leave "
        "gamma out");
  CHECK(refusal(kMethod + "[[method]]\nname = \"ewc\"\newc.gamma = 0.5\nmode = \"online\"\n") ==
        "2 trials");
  CHECK(refusal("[[method]]\nname = \"lwf\"\nscale = 3\n") ==
        "s.toml:2: distill: scale = 3 does nothing with teacher = previous; set teacher = larger, "
        "or leave scale out");
  CHECK(refusal("[[method]]\nname = \"mas\"\nmas.alpha = [0.5, 0.9]\n") ==
        "s.toml:2: mas: alpha = 0.9 does nothing with combine = sum; set combine = average, or "
        "leave alpha out");
}

TEST_CASE("an unknown name is refused with the known ones") {
  CHECK_THAT(refusal("[[method]]\nname = \"ewcc\""),
             StartsWith("s.toml:2: unknown method 'ewcc'; known methods: a-gem, ") &&
                 Catch::EndsWith(", rwalk, si"));
  CHECK(refusal("[stream]\nname = \"instruction\"\n" + kMethod) ==
        "s.toml:2: unknown stream 'instruction'; known streams: instructions, permuted, rotated, "
        "split, text");
  CHECK(refusal("[model]\nname = \"gpt2\"\n" + kMethod) ==
        "s.toml:2: unknown model 'gpt2'; known models: decoder, mlp, pretrained");
}

TEST_CASE("a value out of range is refused at its own line") {
  const auto check = [](const std::string& place, const std::string& said) {
    CHECK_THAT(said, StartsWith("s.toml:" + place) && Catch::Contains("expected"));
  };
  check("3: option 'lr'", refusal("[train]\nsteps = 3\nlr = 0\n" + kMethod));
  check("2: option 'steps'", refusal("[train]\nsteps = 2.5\n" + kMethod));
  check("2: option 'optimizer'", refusal("[train]\noptimizer = \"lion\"\n" + kMethod));
  check("2: option 'width'", refusal("[model]\nwidth = [8, 1]\n" + kMethod));
  check("3: option 'train_rows'", refusal("[stream]\ntest_rows = 5\ntrain_rows = 0\n" + kMethod));
  check("4: option 'c'", refusal("[[method]]\nname = \"si\"\n\nc = -1"));
  check("3: option 'lr'", refusal(kMethod + "train.lr = -1"));
  check("3: option 'width'", refusal(kMethod + "model.width = 1"));
  CHECK_THAT(refusal("[stream]\nname = \"text\"\n" + kMethod),
             StartsWith("s.toml:2: stream 'text' has no tasks; add one [[stream.task]]"));
}

TEST_CASE("a value of the wrong type or number is refused") {
  const std::string kinds =
      " holds a table or date; expected a number, true, false, text, or a list of them";
  CHECK(refusal("seeds = [1, {a = 2}]\n" + kMethod) == "s.toml:1: 'seeds'" + kinds);
  CHECK(refusal("[train]\nlr = 2020-01-01\n" + kMethod) == "s.toml:2: 'train.lr'" + kinds);
  CHECK(refusal("seeds = []\n" + kMethod) == "s.toml:1: 'seeds' is an empty list; give a value");
  CHECK(refusal("seeds = [1, 1.5]\n" + kMethod) == "s.toml:1: seed '1.5' is no whole number");
  CHECK(refusal("name = 3\n" + kMethod) == "s.toml:1: 'name' is no text; put it in quotes");
  CHECK(refusal("model = 3\n" + kMethod) == "s.toml:1: 'model' is no table; write [model]");
  CHECK(refusal("[[method]]\nname = [\"ewc\", \"si\"]") ==
        "s.toml:2: 'name' takes one value, not a list");
  CHECK(refusal("[stream]\ndata = [\"a\", \"b\"]\n" + kMethod) ==
        "s.toml:2: 'stream.data' takes one value, not a list");
}

TEST_CASE(
    "a sweep without methods, a method without a name and a sweep without trials are refused") {
  const std::string none =
      "s.toml: no method; add one [[method]] table a method, e.g. [[method]] name = \"finetune\"";
  CHECK(refusal("seeds = [1]") == none);
  CHECK(refusal("method = []") == none);
  CHECK(refusal("[method]\nname = \"ewc\"") == none);
  CHECK(refusal(kMethod + "[[method]]\nlambda = 3") ==
        "s.toml:3: a [[method]] lacks 'name'; write e.g. name = \"ewc\"");
  CHECK(refusal(kMethod + "when.order = \"random\"") ==
        "s.toml: no trial: the 'when' of every method excludes the streams of this sweep");
}

TEST_CASE("one trial under two names is refused, under one name it counts once") {
  const std::string two = "[[method]]\nname = \"ewc\"\n[[method]]\nname = \"ewc\"\nlambda = 100\n";
  CHECK(refusal(two) == "1 trials");
  CHECK(refusal(two + "label = \"mine\"") ==
        "s.toml:4: 'mine' is the same trial as 'ewc' of line 2; keep one");
}

TEST_CASE("two text tasks of one name are refused at the second one's line") {
  const std::string task = "[[stream.task]]\nname = \"films\"\nfile = \"a.csv\"\n";
  CHECK(refusal("[stream]\nname = \"text\"\n" + task + task + kMethod) ==
        "s.toml:7: text task 'films' is there already, in line 4; give every task a name of its "
        "own");
  CHECK(refusal("[stream]\nname = \"text\"\n[[stream.task]]\nfile = \"a.csv\"\n" + kMethod) ==
        "s.toml:3: a [[stream.task]] lacks 'name'; give it one");
  CHECK(refusal("[stream]\nname = \"text\"\n[[stream.task]]\nname = \"a\"\nfiel = \"a.csv\"\n" +
                kMethod) ==
        "s.toml:5: unknown key 'fiel' in [[stream.task]]; known keys: chat, chat_form, "
        "data, end_mark, file, form, group, ids, labels, leave_out, metric, name, normalise, "
        "predict, prompt, recipe, response, second, separator, skip, stop, stride, test, "
        "test_records, "
        "test_rows, train, train_records, train_rows, validation, validation_records, "
        "validation_rows, window");
}

TEST_CASE("a missing data file is refused at the line that names it, before anything runs") {
  const Scratch scratch;
  const std::string split = "[stream]\nname = \"split\"\ndata = \"" + scratch.path("no") + "\"\n";
  CHECK_THAT(refusal(split + kMethod),
             StartsWith("s.toml:3: ") && Catch::Contains(scratch.path("no/train-images-idx3")));
  CHECK(refusal("[stream]\nname = \"split\"\n" + kMethod) ==
        "s.toml:2: stream 'split' needs data: the folder that holds train-images-idx3-ubyte[.gz] "
        "and its three companions; set stream.data");
  const std::string text = "[stream]\nname = \"text\"\n[[stream.task]]\nname = \"a\"\nfile = \"" +
                           scratch.path("no.csv") + "\"\n";
  CHECK_THAT(refusal(text + kMethod),
             StartsWith("s.toml:2: ") && Catch::Contains(scratch.path("no.csv")));
}

TEST_CASE("a sweep file that is not there is named") {
  const std::string end = " can't be read; give the path of a TOML file";
  CHECK_THROWS_WITH(read_sweep("/nowhere/s.toml"), "sweep file /nowhere/s.toml" + end);
  CHECK_THROWS_WITH(read_sweep("/"), "sweep file /" + end);
}
