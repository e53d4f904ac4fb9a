// Sweeps of text on encoder-decoders and classifiers: what a folder's config.json says, from the
// sweep file to the scores.
#include "tests/catch.h"
// After Catch.
#include "core/models/pretrained.h"
#include "experiments/runner.h"
#include "tests/files.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

// Wide enough for the built-in tokenizer's ids.
const std::string kT5 = R"({"model_type": "t5", "vocab_size": 600, "d_model": 8, "d_kv": 4,
    "d_ff": 12, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0})";
const std::string kBert = R"({"model_type": "bert", "vocab_size": 600, "hidden_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
    "max_position_embeddings": 64})";
const std::string kGpt2 = R"({"model_type": "gpt2", "vocab_size": 600, "n_embd": 8, "n_layer": 1,
    "n_head": 2, "n_positions": 64, "architectures": ["GPT2ForSequenceClassification"]})";

struct FormCase {
  explicit FormCase(const std::string& config) {
    scratch.write("config.json", config);
    std::string csv = "sentence,label\n";
    for (int row = 0; row < 40; ++row) {
      csv += "film number " + std::to_string(row) + "," + (row % 2 == 0 ? "good" : "bad") + "\n";
    }
    scratch.write("films.csv", csv);
  }

  /// The trials of a sweep whose model has no tokenizer of its own.
  std::vector<Trial> trials(const std::string& methods, const std::string& task = "",
                            const std::string& train = "", const std::string& stream = "") const {
    const std::string text =
        "[stream]\nname = \"text\"\n" + stream +
        "[[stream.task]]\nname = \"films\"\nfile = \"films.csv\"\nprompt = \"{sentence}:\"\n"
        "labels = [\"good\", \"bad\"]\n" +
        task +
        "[model]\nname = \"pretrained\"\npath = \".\"\ninit = \"random\"\n"
        "[train]\nsteps = 3\nbatch = 4\nsamples = 1\nlr = 0.01\n" +
        train + methods;
    return expand(parse_sweep(text, scratch.path("s.toml")), builtin_methods(),
                  [](const Part&) { return ModelTokenizer{}; });
  }

  TrialResult result(const std::string& methods, const std::string& task = "") const {
    RunSettings settings;
    settings.registry = &builtin_methods();
    return run_trial(trials(methods, task).at(0), settings);
  }

  std::string refused(const std::string& train, const std::string& task = "") const {
    try {
      trials("[[method]]\nname = \"finetune\"\n", task, train);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  Scratch scratch;
};

const std::string kFinetuneTable = "[[method]]\nname = \"finetune\"\n";

Evaluation last_score(const TrialResult& result) {
  Evaluation last;
  for (const Evaluation& one : result.evaluations) {
    if (one.after_task == 1 && one.on_task == 1) last = one;
  }
  return last;
}

}  // namespace

TEST_CASE("a folder's config.json says which rows its model reads") {
  const FormCase t5(kT5), bert(kBert), gpt2(kGpt2);
  const ModelRows rows = pretrained_rows(t5.scratch.folder());
  CHECK(rows.form == RowForm::pairs);
  CHECK(rows.start_id == 0);
  CHECK(rows.model == "the t5 model of " + t5.scratch.folder());
  CHECK(pretrained_rows(bert.scratch.folder()).form == RowForm::classes);
  CHECK(pretrained_rows(gpt2.scratch.folder()).form == RowForm::classes);
  const FormCase plain(R"({"model_type": "gpt2", "vocab_size": 600, "n_embd": 8, "n_layer": 1,
      "n_head": 2})");
  CHECK(pretrained_rows(plain.scratch.folder()).form == RowForm::text);
  const FormCase started(
      R"({"model_type": "t5", "vocab_size": 600, "d_model": 8, "d_kv": 4, "d_ff": 12,
          "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 3})");
  CHECK(pretrained_rows(started.scratch.folder()).start_id == 3);
  CHECK(t5.trials(kFinetuneTable).at(0).stream.rows.form == RowForm::pairs);
}

TEST_CASE("a sweep trains an encoder-decoder on pairs and writes down what it says") {
  const FormCase t5(kT5);
  const std::string lora =
      "[[method]]\nname = \"lora\"\nrank = 2\ntargets = \"q,v\"\ndropout = 0.05\n";
  for (const std::string& method : {kFinetuneTable, lora}) {
    const TrialResult result = t5.result(method);
    const Evaluation last = last_score(result);
    CHECK(last.metric.name == "exact_match");
    CHECK(last.total == 8);
    REQUIRE(result.samples.size() == 2);  // before and after the task
    CHECK_THAT(result.samples[1].prompt, Catch::StartsWith("film number "));
    CHECK((result.samples[1].expected == "good" || result.samples[1].expected == "bad"));
    CHECK(result.curve.back().loss > 0);
  }
  // q and v of one encoder and two decoder attentions: A (2, 8) and B (8, 2).
  CHECK(t5.result(lora).trainable_parameters == 6 * 2 * (8 + 8));
  CHECK(last_score(t5.result(kFinetuneTable, "metric = \"label_accuracy\"\n")).total == 8);
  const Evaluation loss = last_score(t5.result(kFinetuneTable, "metric = \"loss\"\n"));
  CHECK(loss.sum > 0);
  // One built-in word or some bytes each, and the end mark.
  CHECK(loss.total >= 16);
  CHECK(last_score(t5.result(kFinetuneTable, "metric = \"generated_match\"\n")).total == 8);
}

TEST_CASE("a sweep trains classifiers, encoder or decoder, on the task's labels") {
  for (const std::string& config : {kBert, kGpt2}) {
    const FormCase model(config);
    const Trial trial = model.trials(kFinetuneTable).at(0);
    const TaskStream stream = stream_entry("text").make(trial.stream, 1);
    CHECK(stream.classes == 2);
    const TrialResult result = model.result(kFinetuneTable);
    const Evaluation last = last_score(result);
    CHECK(last.metric.name == "accuracy");
    CHECK(last.total == 8);
    CHECK(result.samples.empty());
    CHECK(last_score(model.result("[[method]]\nname = \"ewc\"\newc.rows = 4\n")).total == 8);
  }
}

TEST_CASE("a sweep trains a classifier on pairs of texts") {
  const FormCase bert(kBert);
  const std::string second = "second = \"{label|trim}{sentence}\"\n";
  const Trial trial = bert.trials(kFinetuneTable, second).at(0);
  CHECK(canonical_text(trial.spec).find("task.0.second") != std::string::npos);
  const TaskStream stream = stream_entry("text").make(trial.stream, 1);
  CHECK(stream.tasks[0].train->batch({0}).token_types.sum().item<int64_t>() > 0);
  RunSettings settings;
  settings.registry = &builtin_methods();
  CHECK(last_score(run_trial(trial, settings)).total == 8);
}

TEST_CASE("settings that a model's rows can't have are refused at their line, and both are named") {
  const FormCase t5(kT5);
  const std::string folder = t5.scratch.folder() + "/";
  CHECK(t5.refused("pack = 64\n") ==
        t5.scratch.path("s.toml") +
            ":19: train.pack = 64 puts several rows into one sequence, which the t5 model of " +
            folder + " can't keep apart; set it to 0");
  Trial trial = t5.trials(kFinetuneTable).at(0);
  trial.stream.name = "instructions";
  trial.stream.options.clear();
  CHECK_THROWS_WITH(stream_entry("instructions").make(trial.stream, 1),
                    "stream 'instructions' makes rows of one text for a decoder, which the t5 "
                    "model of " +
                        folder + " does not read; choose the stream 'text'");
}
