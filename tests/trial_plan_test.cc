// What a trial of a sweep asks of a memory plan, and that no plan is far above what its trial
// takes.
#include "tests/catch.h"
// After Catch.
#include <set>

#include "core/plan/method.h"
#include "core/text/pair_rows.h"
#include "experiments/memory_check.h"
#include "experiments/plan.h"
#include "experiments/runner.h"
#include "experiments/trial_plan.h"
#include "tests/fit_case.h"

using namespace lethe;

using namespace std::string_literals;

namespace {

/// A row of so many tokens.
TextRow row_of_tokens(int64_t prompt, int64_t response) {
  return {std::vector<int64_t>(static_cast<size_t>(prompt), 9),
          std::vector<int64_t>(static_cast<size_t>(response), 9)};
}

std::shared_ptr<const Tokenizer> byte_tokenizer() {
  return std::make_shared<WordTokenizer>(std::vector<std::string>{});
}

/// A stream of such tasks.
TaskStream stream_of_rows(const std::vector<std::vector<TextRow>>& tasks, bool pairs = false) {
  TaskStream stream;
  int64_t first = 0;
  for (const auto& rows : tasks) {
    RowsPtr made;
    if (pairs) {
      made = std::make_shared<PairRows>(byte_tokenizer(), rows, PairRowsOptions{"pairs", first});
    } else {
      made = std::make_shared<TextRows>(byte_tokenizer(), rows,
                                        TextRowsOptions{"rows", Predict::response, first, 0});
    }
    first += made->size();
    stream.tasks.push_back({"task", {"loss", "nats", false}, made, made, made, {}});
  }
  return stream;
}

/// "2 x 6 3 predicted padded, ".
std::string batches_of_rows(const TaskStream& stream, int64_t batch, bool mixed) {
  std::string text;
  for (const LargestBatch& one : largest_batches(stream, batch, mixed)) {
    text += fmt::format("{} x {}{} {} predicted{}, ", one.rows, one.length,
                        one.target_length > 0 ? fmt::format(" to {}", one.target_length) : "",
                        one.predicted, one.padded ? " padded" : "");
  }
  return text;
}

plan::PlanRequest fit_request(const FitCase& folder, const std::string& method,
                              const std::string& train = "", const std::string& model = "") {
  return plan_request(folder.trials(method, train, model).at(0)).value();
}

bool is_planned(const FitCase& folder, const std::string& method, const std::string& train = "",
                const std::string& model = "") {
  return plan_request(folder.trials(method, train, model).at(0)).has_value();
}

/// The highest moment of the trial's training steps, in bytes above what lived before it; without
/// mapped weights where `own`.
int64_t peak_of_trial(const Trial& trial, bool own) {
  install_memory_meter();
  const int64_t before = live_bytes();
  RunSettings settings;
  settings.registry = &builtin_methods();
  int64_t peak = 0;
  for (const Usage& row : run_trial(trial, settings).usage) {
    const bool mapped = row.category == category_name(Category::mapped_weights);
    if (row.phase == "train" && row.device == "host" && !(own && mapped)) peak += row.at_peak;
  }
  return peak - before;
}

/// The highest plan of the trial's tasks.
int64_t peak_of_plan(const plan::ModelFacts& facts, const Trial& trial, bool own) {
  auto request = plan_request(trial).value();
  const TaskStream stream = stream_entry(trial.stream.name).make(trial.stream, 1);
  take_stream(stream, request);
  const auto training = parse_options<TrainOptions>("train", trial.spec.training);
  int64_t peak = 0;
  for (const LargestBatch& batch : largest_batches(stream, training.batch, mixes_tasks(trial))) {
    plan::PlanRequest one = with_batch(request, batch);
    one.mapped = one.mapped && own;
    peak = std::max(peak, plan::account(facts, one).peak());
  }
  return peak;
}

/// A trial that is measured to fit is planned to fit.
void check_not_far_above(const plan::ModelFacts& facts, const Trial& trial, bool own = false) {
  const int64_t plan = peak_of_plan(facts, trial, own), seen = peak_of_trial(trial, own);
  CAPTURE(trial.label, own, plan, seen);
  CHECK(static_cast<double>(plan) <= (1 + kPlanAbove) * static_cast<double>(seen));
  CHECK(static_cast<double>(plan) > 0.5 * static_cast<double>(seen));
}

}  // namespace

TEST_CASE("the largest batch has the longest row and the rows with the most predicted positions") {
  const TaskStream stream =
      stream_of_rows({{row_of_tokens(3, 2), row_of_tokens(1, 4), row_of_tokens(6, 1)},
                      {row_of_tokens(2, 2), row_of_tokens(2, 2)}});
  // Of a row of 7 tokens 6 are read.
  CHECK(batches_of_rows(stream, 2, false) == "2 x 6 3 predicted padded, 2 x 3 2 predicted, ");
  CHECK(batches_of_rows(stream, 8, false) == "3 x 6 2 predicted padded, 2 x 3 2 predicted, ");
  CHECK(batches_of_rows(stream, 4, true) == "4 x 6 2 predicted padded, ");
  CHECK(batches_of_rows(stream, 1, true) == "1 x 6 4 predicted, ");
  const TaskStream pairs = stream_of_rows({{row_of_tokens(3, 2), row_of_tokens(5, 1)}}, true);
  CHECK(batches_of_rows(pairs, 2, false) == "2 x 5 to 2 1 predicted padded, ");
}

TEST_CASE("a trial's options are the request's") {
  const FitCase folder;
  const plan::PlanRequest plain = fit_request(folder, "finetune");
  CHECK(plain.method == "finetune");
  CHECK(plain.base == "float");
  CHECK(plain.optimizer == "adamw");
  CHECK(plain.batch == 4);
  CHECK_FALSE(plain.mapped);
  const plan::PlanRequest low = fit_request(
      folder, "lora+ewc",
      "lora.rank = 3\nlora.targets = \"c_attn\"\ntrain.batch = 2\ntrain.accumulate = 4\n"
      "train.optimizer = \"sgd\"\ntrain.momentum = 0.9\n"
      "train.levers = \"checkpointing=2,chunked-loss=32\"\n");
  CHECK(low.method == "lora+ewc");
  CHECK(low.rank == 3);
  CHECK(low.targets == "c_attn");
  CHECK(low.batch == 8);
  CHECK(low.optimizer == "sgd-momentum");
  CHECK(plan::levers_text(low.levers) == "chunked-loss=32,accumulate=4,checkpointing=2");
  const plan::PlanRequest quantised = fit_request(folder, "qlora", "model.base = \"nf4-dq\"\n");
  CHECK(quantised.method == "lora");
  CHECK(quantised.base == "nf4-dq");
  CHECK(fit_request(folder, "freeze", "freeze.layers = 2\n").layers == 2);
  CHECK(fit_request(folder, "prompt", "prompt.tokens = 7\n").virtual_tokens == 7);
  CHECK(fit_request(folder, "osf", "osf.targets = \"c_fc\"\n").targets == "c_fc");
  const plan::PlanRequest past = fit_request(folder, "gem", "gem.budget = 9\ngem.batch = 5\n");
  CHECK(past.budget == 9);
  CHECK(past.memory_rows == 5);
  CHECK(fit_request(folder, "der", "derpp.budget = 9\n").method == "der");
  CHECK(fit_request(folder, "joint").method == "multitask");
  const plan::PlanRequest batch = with_batch(low, {2, 16, 5, 7, true});
  CHECK(batch.batch == 8);
  CHECK(batch.length == 16);
  CHECK(batch.target_length == 5);
  CHECK(batch.predicted == 7);
  CHECK(batch.padded);
}

TEST_CASE("a memory has no more rows than its stream, and as many tasks") {
  const TaskStream stream =
      stream_of_rows({{row_of_tokens(3, 2), row_of_tokens(1, 4)}, {row_of_tokens(2, 2)}});
  const auto with_memory = [&](const std::string& method, int64_t budget) {
    plan::PlanRequest request;
    request.method = method;
    request.budget = budget;
    take_stream(stream, request);
    CHECK(request.tasks == 2);
    return request.budget;
  };
  CHECK(with_memory("gem", 256) == 2);  // of each task
  CHECK(with_memory("lora+gem", 256) == 2);
  CHECK(with_memory("derpp", 256) == 3);  // of all
  CHECK(with_memory("derpp", 1) == 1);
  CHECK(with_memory("finetune", 0) == 0);
}

TEST_CASE("what a plan does not know has none") {
  const FitCase folder;
  CHECK(is_planned(folder, "bitfit"));
  CHECK_FALSE(is_planned(folder, "bitfit", "bitfit.targets = \"c_fc\"\n"));
  CHECK_FALSE(is_planned(folder, "ewc-kfac"));
  CHECK_FALSE(is_planned(folder, "derpp", "derpp.budget = 0\n"));
  CHECK_FALSE(is_planned(folder, "osf", "osf.preserved = 0.25\n"));
  CHECK(is_planned(folder, "lora", "model.base = \"bf16\"\n"));
  CHECK_FALSE(is_planned(folder, "lora", "train.pack = 64\n"));
  CHECK_FALSE(is_planned(folder, "ia3", "ia3.targets = \"c_attn\"\n"));
  CHECK_FALSE(is_planned(folder, "freeze", "freeze.layers = 0\nfreeze.trained = \"c_fc\"\n"));
  const auto built_in = trials_of("[model]\nname = \"decoder\"\n[[method]]\nname = \"finetune\"\n");
  CHECK_FALSE(plan_request(built_in.at(0)).has_value());
}

TEST_CASE("no planned method is planned further above its trial than the check allows") {
  const FitCase folder;
  for (const std::string& method : plan::planned_methods()) {
    if (method == "full") continue;  // lethe plan's word for finetune
    const std::set<std::string> buffered = {"a-gem", "replay", "gem", "derpp", "der"};
    const std::string budget = buffered.count(method) > 0 ? "budget = 8\n" : "";
    check_not_far_above(folder.facts(), folder.trials(method, budget).at(0));
  }
  for (const char* levers : {"checkpointing", "chunked-loss=32", "adamw8bit",
                             "optimizer-in-backward,chunked-loss=32,adamw8bit,checkpointing"}) {
    const std::string train = std::string("train.levers = \"") + levers + "\"\n";
    check_not_far_above(folder.facts(), folder.trials("finetune", train).at(0));
  }
  check_not_far_above(folder.facts(), folder.trials("finetune", "train.accumulate = 2\n").at(0));
  check_not_far_above(folder.facts(),
                      folder.trials("finetune", "train.optimizer = \"sgd\"\n").at(0));
  for (const char* base : {"int8", "nf4-dq", "fp4"}) {
    check_not_far_above(
        folder.facts(),
        folder.trials("lora", std::string("model.base = \"") + base + "\"\n").at(0));
  }
}

TEST_CASE("weights that stay in the file count against --memory, and not against the machine") {
  const FitCase folder(true);
  for (const char* method : {"finetune", "lora", "qlora", "freeze"}) {
    const Trial trial = folder.trials(method, "", "init = \"checkpoint\"\n").at(0);
    CHECK(plan_request(trial).value().mapped);
    check_not_far_above(folder.facts(), trial);
    check_not_far_above(folder.facts(), trial, true);
  }
  const Trial lora = folder.trials("lora", "", "init = \"checkpoint\"\n").at(0);
  plan::PlanRequest request = with_batch(*plan_request(lora), {4, 16, 0, 16, false});
  const plan::Account own = plan::account(folder.facts(), request);
  CHECK(own.device[plan::Part::weights] == 0);
  request.mapped = false;
  const plan::Account all = plan::account(folder.facts(), request);
  CHECK(all.device[plan::Part::weights] == 4 * folder.facts().parameters());
  CHECK(all.peak() - own.peak() == 4 * folder.facts().parameters());
  request.mapped = true;
  request.dtype = "bf16";
  CHECK_THROWS_WITH(plan::account(folder.facts(), request),
                    "--mapped excludes bf16: a mapped file is read as float32, and bf16 weights "
                    "are copies; drop one of them");
}

TEST_CASE("rows of an encoder-decoder and of a classifier are planned as they are read") {
  const std::string sizes = R"("vocab_size": 600, "num_layers": 2, "num_heads": 4)";
  for (const std::string& config :
       {R"({"model_type": "t5", "d_model": 64, "d_kv": 16, "d_ff": 128, )" + sizes + "}",
        R"({"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 600,
            "num_attention_heads": 4, "intermediate_size": 128, "max_position_embeddings": 64})"s}) {
    const Scratch scratch;
    scratch.write("config.json", config);
    std::string csv = "sentence,label\n";
    for (int row = 0; row < 40; ++row) {
      csv += "film number " + std::string(static_cast<size_t>(row % 9), 'x') + "," +
             (row % 2 == 0 ? "good" : "bad") + "\n";
    }
    scratch.write("films.csv", csv);
    for (const std::string method : {"finetune", "lora"}) {
      const auto trials = expand(
          parse_sweep("[stream]\nname = \"text\"\n[[stream.task]]\nname = \"films\"\n"
                      "file = \"films.csv\"\nprompt = \"{sentence}:\"\n"
                      "labels = [\"good\", \"bad\"]\n[model]\nname = \"pretrained\"\n"
                      "path = \".\"\ninit = \"random\"\n[train]\nepochs = 1\nbatch = 8\n"
                      "eval_batch = 4\nsamples = 0\nsort = \"length\"\n[[method]]\nname = \"" +
                          method + "\"\n",
                      scratch.path("s.toml")),
          builtin_methods(), [](const Part&) { return ModelTokenizer{}; });
      check_not_far_above(model_facts(HfConfig::read(scratch.folder())), trials.at(0));
    }
  }
}
