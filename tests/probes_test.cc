// Probes that a sweep names: measured before training and after every task, in loss and accuracy.
#include "tests/catch.h"
// catch.h comes first: c10 breaks Catch's CHECK.
#include "core/seeds.h"
#include "experiments/runner.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/text.h"
#include "tests/engine_case.h"
#include "tests/files.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

TextTaskSpec text_probe(const std::string& name, const std::string& file) {
  TextTaskSpec probe;
  probe.name = name;
  probe.form = "text";
  probe.file = file;
  probe.window = 16;
  return probe;
}

std::string films(const Scratch& scratch) {
  std::string csv = "sentence,label\n";
  for (int row = 0; row < 30; ++row) {
    csv += "line " + std::to_string(row) + "," + (row % 2 == 0 ? "good" : "bad") + "\n";
  }
  return scratch.write("films.csv", csv);
}

/// A sweep of one task and three probes, one of each form.
std::string sweep_text(const Scratch& scratch) {
  scratch.write("story.txt", "Once upon a time there was a cat. It sat on a mat.\n");
  scratch.write("ids.jsonl", "{\"ids\": [67, 70, 67, 70]}\n{\"ids\": [80, 81]}\n");
  films(scratch);
  return "[stream]\nname = \"text\"\nmax_length = 32\n"
         "[[stream.task]]\nname = \"films\"\nfile = \"films.csv\"\nprompt = \"{sentence}:\"\n"
         "[[stream.probe]]\nname = \"story\"\nfile = \"story.txt\"\nform = \"text\"\nwindow = 16\n"
         "[[stream.probe]]\nname = \"ids\"\nfile = \"ids.jsonl\"\nform = \"ids\"\n"
         "[[stream.probe]]\nname = \"films\"\nfile = \"films.csv\"\nprompt = \"{sentence}:\"\n"
         "test_rows = 4\n"
         "[model]\nwidth = 16\nlayers = 1\nheads = 2\npretrain_steps = 0\n"
         "[train]\nsteps = 2\nbatch = 4\nsamples = 0\n[[method]]\nname = \"finetune\"\n";
}

Trial trial_in(const Scratch& scratch, const std::string& text) {
  const Sweep sweep = parse_sweep(text, scratch.path("s.toml"));
  return expand(sweep, builtin_methods()).at(0);
}

}  // namespace

TEST_CASE("probes are read into a stream, each in loss and in token accuracy over the same rows") {
  const Scratch scratch;
  TaskStream stream =
      make_instruction_stream({.train_rows = 4, .validation_rows = 2, .test_rows = 2}, 1);
  const std::string story = scratch.write("story.txt", std::string(40, 'a'));
  add_probes(stream, {text_probe("story", story)}, {});
  REQUIRE(stream.probes.size() == 3);
  CHECK(stream.probes[0].name == "pretraining");
  CHECK(stream.probes[1].metric.name == "loss");
  CHECK(stream.probes[2].metric.name == "token_accuracy");
  CHECK(stream.probes[1].rows == stream.probes[2].rows);
  CHECK(stream.probes[1].rows->size() == 3);  // 16 + 16 + 8 bytes
  CHECK(stream.probes[1].rows->first_id() ==
        stream.probes[0].rows->first_id() + stream.probes[0].rows->size());
  CHECK_THROWS_WITH(add_probes(stream, {text_probe("story", story)}, {}),
                    "probe 'story' is there already; give every probe a name of its own");
  CHECK_THROWS_WITH(add_probes(stream, {text_probe("empty", scratch.write("e.txt", "a"))}, {}),
                    "stream 'instructions', probe 'empty' has no rows");
}

TEST_CASE(
    "a trial measures every probe before training and after its tasks, and says so in its text") {
  const Scratch scratch;
  const Trial trial = trial_in(scratch, sweep_text(scratch));
  const OptionMap& options = trial.spec.stream.options;
  CHECK(options.at("probe.0.form") == "text");
  CHECK(options.at("probe.1.name") == "ids");
  CHECK(options.count("probe.0.metric") == 0);
  RunSettings settings;
  settings.registry = &builtin_methods();
  const TrialResult result = run_trial(trial, settings);
  std::map<std::string, int64_t> totals;
  int measured = 0;
  for (const Evaluation& e : result.evaluations) {
    if (e.on_task != 0) continue;
    ++measured;
    CHECK((e.after_task == 0 || e.after_task == 1));
    totals[e.task + " " + e.metric.name] = e.total;
    if (e.metric.name == "token_accuracy") CHECK(e.correct <= e.total);
  }
  CHECK(measured == 2 * 3 * 2);
  // Windows of 16 tokens, the first of each not predicted.
  const std::string story = file_bytes(scratch.path("story.txt"));
  const auto tokens = static_cast<int64_t>(builtin_tokenizer()->encode(story).size());
  CHECK(tokens == 43);
  CHECK(totals.at("story loss") == tokens - 3);
  CHECK(totals.at("ids token_accuracy") == 4);
  CHECK(totals.at("films loss") == totals.at("films token_accuracy"));
}

TEST_CASE("another probe is another trial, and images have none") {
  const Scratch scratch;
  const std::string text = sweep_text(scratch);
  const std::string before = canonical_text(trial_in(scratch, text).spec);
  scratch.write("story.txt", "Another story.\n");
  CHECK(canonical_text(trial_in(scratch, text).spec) != before);
  CHECK(refusal("[stream]\nname = \"split\"\ndata = \"x\"\n[[stream.probe]]\nname = \"p\"\nfile = "
                "\"a.txt\"\n[[method]]\nname = \"finetune\"\n") ==
        "s.toml:3: stream 'split' has no text for probes; leave [[stream.probe]] out");
  CHECK(refusal("[[stream.probe]]\nname = \"p\"\nfile = \"a.txt\"\nmetric = \"loss\"\n[[method]]\n"
                "name = \"finetune\"\n")
            .find("s.toml:4: unknown key 'metric' in [[stream.probe]]") == 0);
}

TEST_CASE("what is left out is warned of and kept with the result") {
  const Scratch scratch;
  std::string text = sweep_text(scratch);
  const std::string csv = file_bytes(scratch.path("films.csv"));
  scratch.write("films.csv", csv + "empty,\n");
  text.replace(text.find("name = \"films\""), 14, "name = \"films\"\nskip = true");
  text.erase(text.rfind("[[stream.probe]]"), text.find("[model]") - text.rfind("[[stream.probe]]"));
  RunSettings settings;
  settings.registry = &builtin_methods();
  std::vector<std::string> warned;
  settings.warn = [&](const std::string& warning) { warned.push_back(warning); };
  const TrialResult result = run_trial(trial_in(scratch, text), settings);
  REQUIRE(result.notes.size() == 2);
  CHECK(result.notes[0] == "task 'films': 1 record with an empty response is left out");
  CHECK(result.notes[1].starts_with(kTrainedWith));
  CHECK(warned == std::vector<std::string>{result.notes[0]});
}

TEST_CASE("a model with fewer embedding rows than the tokenizer has tokens is refused") {
  ModelShape shape;
  shape.vocabulary = 20;
  shape.longest = 8;
  const auto model = model_entry("decoder").make({{"width", "4"}, {"layers", "1"}, {"heads", "1"}},
                                                 shape, make_generator(1));
  CHECK_NOTHROW(check_vocabulary(*model, shape));
  shape.vocabulary = 21;
  CHECK_THROWS_WITH(check_vocabulary(*model, shape),
                    "the tokenizer has 21 tokens, but the model's embedding 20 rows; take the "
                    "tokenizer that belongs to the model");
}
