// What a sweep's trials can't do is found before the first of them trains.
#include "tests/catch.h"
// After Catch.
#include <chrono>

#include "experiments/preflight.h"
#include "experiments/worker.h"
#include "results/store.h"
#include "tests/files.h"
#include "tests/image_set.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

const std::string kWords =
    "[stream]\nname = \"instructions\"\ntrain_rows = 40\ntest_rows = 4\nvalidation_rows = 4\n"
    "[model]\nname = \"decoder\"\nwidth = 8\nlayers = 1\nheads = 1\n";

std::string method(const std::string& name, const std::string& options = "") {
  return "[[method]]\nname = \"" + name + "\"\n" + options;
}

void look_at(const std::vector<Trial>& trials, const std::string& device_class = "cpu") {
  WorkSettings settings;
  settings.device_class = device_class;
  settings.registry = &builtin_methods();
  preflight({trials, {}, settings});
}

/// What preflight says of a sweep, without a store or a cache that it could write.
std::string said_of(const std::string& sweep) {
  const Scratch scratch;
  setenv("LETHE_CACHE", scratch.folder().c_str(), 1);
  std::string said;
  try {
    look_at(trials_of(sweep));
  } catch (const Error& error) {
    said = error.what();
  }
  CHECK(scratch.files() == 0);  // nothing was pretrained
  return said;
}

}  // namespace

TEST_CASE("a sweep that can begin passes without a word, teachers and adapters included") {
  CHECK(said_of(kWords + method("finetune") + method("lora+ewc") + method("qlora") +
                method("distill", "teacher = \"larger\"\nteacher_options = \"layers=2\"\n") +
                method("replay", "replay.budget = 8\n") + method("joint")) == "");
}

TEST_CASE("of trials that differ in momentum alone the one that can't begin is found") {
  const auto sweep = [](const std::string& momentum) {
    return method("finetune", "label = \"" + momentum +
                                  "\"\ntrain.levers = \"offload-optimizer\"\n"
                                  "train.optimizer = \"sgd\"\ntrain.momentum = " +
                                  momentum + "\n");
  };
  CHECK_NOTHROW(look_at(trials_of(kWords + sweep("0.9")), "cuda some GPU"));
  CHECK_THROWS_WITH(look_at(trials_of(kWords + sweep("0.9") + sweep("0.0")), "cuda some GPU"),
                    Catch::Contains("sgd without momentum keeps nothing"));
}

TEST_CASE("every method that stream or model can't take is named with both, all at once") {
  const std::string on =
      " can't run on stream 'instructions train_rows=40 validation_rows=4 "
      "test_rows=4' with model 'decoder width=8 layers=1 heads=1': ";
  CHECK(said_of(kWords + method("finetune") + method("ewc", "ewc.rows = 50\n") +
                method("ewc-kfac") + method("lora", "lora.targets = \"q_proj\"\n") +
                method("ewc+si", "ewc.labels = \"exact\"\n")) ==
        "method 'ewc'" + on +
            "ewc: rows = 50, but task 1 ('sentiment') of stream 'instructions' has 40 training "
            "rows; ask for at most that, or 0 for all\n"
            "method 'ewc-kfac'" +
            on +
            "ewc-kfac needs classes, as its factors are those of layers that see one vector a row, "
            "but "
            "stream 'instructions' gives text; use ewc, or a stream of images\n"
            "method 'lora'" +
            on +
            "lora: no Linear ends with one of 'q_proj'; the model has: h.0.attn.c_attn, "
            "h.0.attn.c_proj, h.0.mlp.c_fc, h.0.mlp.c_proj\n"
            "method 'ewc+si'" +
            on +
            "ewc: labels = exact takes one backward pass a class and is for at most 100 classes, "
            "but stream 'instructions' has a whole vocabulary; use labels = sampled");
}

TEST_CASE("trials that the store has are not looked at again, failed ones are") {
  const Scratch scratch;
  const std::vector<Trial> trials = trials_of(kWords + method("finetune") + method("ewc"));
  WorkSettings settings;
  settings.db = scratch.path("lethe.db");
  CHECK(missing_trials(trials, settings).size() == 2);
  CHECK(scratch.files() == 0);
  {
    ResultStore store(settings.db, OpenMode::read_write);
    store.finish(store.claim(record_of(trials[0], settings), "test", 60, 0).value(), {});
    store.fail(store.claim(record_of(trials[1], settings), "test", 60, 0).value(), "out of luck");
  }
  const std::vector<Trial> missing = missing_trials(trials, settings);
  REQUIRE(missing.size() == 1);
  CHECK(missing[0].label == "ewc");
  std::vector<Trial> kept = trials;
  kept[0].keep = true;  // its values were not kept
  CHECK(missing_trials(kept, settings).size() == 2);
}

TEST_CASE("a teacher that can't be is named before it is trained") {
  const auto said = [](const std::string& options) {
    const std::string all = said_of(kWords + method("distill", "teacher = \"larger\"\n" + options));
    return all.substr(std::min(all.size(), all.find("': ") + 3));
  };
  CHECK_THAT(said("teacher_options = \"depth=3\"\n"),
             Catch::StartsWith("the teacher's model: unknown option 'depth' of decoder; known "
                               "options: base, "));
  CHECK(said("teacher_options = \"layers\"\n") ==
        "distill: teacher_options = 'layers' has the part 'layers'; expected option=value, with "
        "commas between them, such as layers=4,width=128");
}

TEST_CASE("a method of a built-in stream is looked at in a few milliseconds") {
  const Scratch scratch;
  write_set(scratch);
  std::string sweep = "[stream]\nname = \"split\"\ndata = \"" + scratch.folder() +
                      "\"\nvalidation = 2\n[model]\nname = \"mlp\"\nwidth = 16\n";
  const auto seconds = [&](int methods) {
    std::string all = sweep;
    for (int i = 0; i < methods; ++i) {
      all += method("ewc", "label = \"" + std::to_string(i) +
                               "\"\newc.lambda = " + std::to_string(i + 1) + "\n");
    }
    const std::vector<Trial> trials = trials_of(all);
    const auto began = std::chrono::steady_clock::now();
    look_at(trials);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  CHECK(seconds(60) < 60 * 0.01 + 2);  // generous: other work may hold the machine
}
