// What trials a sweep file stands for.
#include "tests/catch.h"
// After Catch.
#include "experiments/default_sweep.h"
#include "tests/sweep_case.h"

using namespace lethe;
using Words = std::vector<std::string>;

namespace {

const std::string kRecorded = R"(method = lora+ewc
method.ewc.batch = 128
method.ewc.clamp = 0
method.ewc.combine = sum
method.ewc.decay_in_loss = false
method.ewc.divisor = n
method.ewc.gamma = 1
method.ewc.heads = held
method.ewc.labels = auto
method.ewc.lambda = 10
method.ewc.mode = offline
method.ewc.per = sequence
method.ewc.rows = 0
method.lora.alpha = 16
method.lora.bias = none
method.lora.dropout = 0
method.lora.modules_to_save = 
method.lora.rank = 8
method.lora.rslora = false
method.lora.targets = all
model.base = nf4
model.dropout = 0
model.family = gpt2
model.heads = 4
model.kv_heads = 0
model.layers = 2
model.max_length = 0
model.mlp_width = 0
model.name = decoder
model.pretrain_steps = 600
model.width = 64
seed = 5
stream.data_seed = 1
stream.name = instructions
stream.order = sentiment,summarisation,python,topic
stream.test_rows = 50
stream.train_rows = 2000
stream.validation_rows = 100
train.accumulate = 1
train.batch = 32
train.beta1 = 0.9
train.beta2 = 0.999
train.clip = 0
train.epochs = 0
train.epsilon = 1e-08
train.eval_batch = 256
train.eval_every = 0
train.log_every = 50
train.lr = 0.001
train.momentum = 0
train.optimizer = adamw
train.patience = 0
train.reset_optimizer = true
train.samples = 2
train.schedule = constant
train.steps = 3
train.warmup = 0
train.weight_decay = 0)";

}  // namespace

TEST_CASE(
    "every combination of lists is a trial, in the order stream, model, training, method, seed") {
  const auto trials = trials_of(R"(
seeds = [3, 4]
[stream]
train_rows = [10, 20]
[model]
width = [8, 16]
[train]
lr = [0.1, 0.2]
[[method]]
name = "finetune"
[[method]]
name = "ewc"
lambda = [1, 2]
)");
  REQUIRE(trials.size() == 2 * 2 * 2 * 3 * 2);
  CHECK(labels({trials.begin(), trials.begin() + 6}) ==
        Words{"finetune lr=0.1", "finetune lr=0.1", "ewc lambda=1 lr=0.1", "ewc lambda=1 lr=0.1",
              "ewc lambda=2 lr=0.1", "ewc lambda=2 lr=0.1"});
  CHECK(trials[0].spec.seed == 3);
  CHECK(trials[1].spec.seed == 4);
  CHECK(trials[6].spec.training.at("lr") == "0.2");
  CHECK(trials[12].spec.model.options.at("width") == "16");
  CHECK(trials[24].spec.stream.options.at("train_rows") == "20");
  CHECK(trials[0].stream_label == "instructions train_rows=10");
  CHECK(trials[12].model_label == "decoder width=16");
  CHECK(trials[0].sweep == "s");
  CHECK(trials[0].position == 1);
  CHECK(trials[2].position == 2);
  CHECK(option(trials[4], 0, "lambda") == "2");
}

TEST_CASE("a method's own training and model options hold for it alone") {
  const auto trials = trials_of(R"(
[model]
dropout = 0.1
[train]
lr = 0.1
[[method]]
name = "finetune"
[[method]]
name = "lora"
train.lr = 0.5
train.steps = 7
model.dropout = 0
model.width = 32
)");
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].spec.training.at("lr") == "0.1");
  CHECK(trials[0].spec.training.at("steps") == "200");
  CHECK(trials[0].spec.model.options.at("dropout") == "0.1");
  CHECK(trials[1].spec.training.at("lr") == "0.5");
  CHECK(trials[1].spec.training.at("steps") == "7");
  CHECK(trials[1].spec.model.options.at("dropout") == "0");
  CHECK(trials[1].spec.model.options.at("width") == "32");
  CHECK(trials[1].spec.method[0].options.count("train.lr") == 0);
}

TEST_CASE("when compares with the stream's options, its defaults included") {
  const auto trials = trials_of(R"(
[stream]
order = ["topic,python", "random"]
[[method]]
name = "finetune"
[[method]]
name = "si"
when.order = "random"
when.data_seed = 1
[[method]]
name = "lora"
when.order = ["random", "topic,python"]
[[method]]
name = "ewc"
when.test_rows = 7
)");
  CHECK(labels(trials) == Words{"finetune", "lora", "finetune", "si", "lora"});
  CHECK(trials[3].position == 2);
}

TEST_CASE("the order of a method's names makes no other trial") {
  const std::string file = "[[method]]\nname = \"ewc+lora\"\nlabel = \"a\"\n[[method]]\n";
  CHECK(labels(trials_of(file + "name = \"lora+ewc\"\nlabel = \"a\"")) == Words{"a"});
  CHECK(refusal(file + "name = \"lora+ewc\"") ==
        "s.toml:5: 'lora+ewc' is the same trial as 'a' of line 2; keep one");
}

TEST_CASE("an alias is the trial of what it stands for") {
  const auto text = [](const std::string& method) {
    const auto trials = trials_of("[[method]]\n" + method);
    REQUIRE(trials.size() == 1);
    return canonical_text(trials[0].spec);
  };
  CHECK(text("name = \"qlora\"\nrank = 4") ==
        text("name = \"lora\"\nlora.rank = 4\nmodel.base = \"nf4\""));
  CHECK(text("name = \"ewc+qlora\"") == text("name = \"lora+ewc\"\nmodel.base = \"nf4\""));
  CHECK(text("name = \"joint\"") == text("name = \"multitask\"\ntasks = \"all\""));
  CHECK(text("name = \"lwf\"") == text("name = \"distill\"\nteacher = \"previous\""));
  CHECK(text("name = \"qlora\"") != text("name = \"lora\""));
  CHECK(trials_of("[[method]]\nname = \"qlora+ewc\"")[0].label == "qlora+ewc");
  CHECK(trials_of("[[method]]\nname = \"qlora\"")[0].model_label == "decoder");
}

TEST_CASE("how a value is written makes no other trial") {
  const auto text = [](const std::string& options) {
    return canonical_text(trials_of("[[method]]\nname = \"ewc\"\n" + options)[0].spec);
  };
  CHECK(text("ewc.lambda = 100.0\ntrain.lr = 1e-3") == text("lambda = 100\ntrain.lr = 0.001"));
  CHECK(text("ewc = {lambda = 3, rows = 5}") == text("lambda = 3\nrows = 5"));
  CHECK(text("") == text("lambda = 100"));
  CHECK(text("lambda = 3") != text("lambda = 4"));
}

TEST_CASE("a method is called by its strategies, an alias by its own name, unless it has a label") {
  const auto trials = trials_of(R"(
[[method]]
name = "si+ewc"
[[method]]
name = "joint"
[[method]]
name = "multitask"
[[method]]
name = "lwf"
label = "before"
[[method]]
name = "qlora"
)");
  Words labels;
  for (const Trial& trial : trials) labels.push_back(trial.label);
  CHECK(labels == Words{"ewc+si", "joint", "multitask", "before", "qlora"});
}

TEST_CASE("a trial's canonical text is the one recorded") {
  const auto trials = trials_of(R"(
seeds = [5]
[stream]
name = "instructions"
test_rows = 50
[train]
steps = 3
[[method]]
name = "ewc+qlora"
ewc.lambda = 10
)");
  REQUIRE(trials.size() == 1);
  CHECK(canonical_text(trials[0].spec) == kRecorded);
}

TEST_CASE("a sweep's name is that of its file where it gives none") {
  const std::string method = "[[method]]\nname = \"finetune\"";
  CHECK(parse_sweep(method, "/some/where/long.toml").name == "long");
  CHECK(parse_sweep("name = \"own\"\n" + method, "/some/where/long.toml").name == "own");
}

TEST_CASE("paths in a sweep start at its file") {
  const Sweep sweep = parse_sweep(
      "[stream]\nname = \"split\"\ndata = \"../mnist\"\n[[stream.task]]\nname = \"a\"\n"
      "file = \"a.csv\"\n[[method]]\nname = \"finetune\"",
      "/data/sweeps/s.toml");
  CHECK(sweep.stream_options.at("data").values == Words{"/data/mnist"});
  CHECK(sweep.texts.at(0).file == "/data/sweeps/a.csv");
}

TEST_CASE("the default sweep has the seven methods and two combinations, five seeds each") {
  const auto trials = expand(parse_sweep(default_sweep(), "default.toml"), builtin_methods());
  std::map<std::string, std::set<int64_t>> seeds;
  size_t combinations = 0;
  for (const Trial& trial : trials) {
    seeds[trial.label].insert(trial.spec.seed);
    if (trial.spec.seed == 1 && trial.spec.method.size() > 1) ++combinations;
    CHECK(trial.stream_label == "instructions");
  }
  for (const char* name : {"finetune", "lora", "qlora", "ewc", "si", "multitask", "distill"}) {
    CHECK(seeds[name] == std::set<int64_t>{1, 2, 3, 4, 5});
  }
  CHECK(combinations >= 2);
  CHECK(trials.size() == seeds.size() * 5);
}
