// `lethe run` of sweeps that do not fit the memory by their plans: refused, run all the same, done.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/formats/safetensors.h"
#include "results/store.h"
#include "tests/program.h"

using namespace lethe;
using Catch::Contains;
using Catch::StartsWith;
using Words = std::vector<std::string>;

namespace {

/// A sweep on a folder that has config.json alone; its rows have the built-in tokenizer.
void write_plan_sweep(const Scratch& scratch, const std::string& model = "init = \"random\"\n") {
  std::filesystem::create_directory(scratch.path("small"));
  scratch.write("small/config.json", R"({"model_type": "gpt2", "vocab_size": 1200, "n_embd": 128,
      "n_layer": 2, "n_head": 2, "n_positions": 256})");
  scratch.write("sweep.toml",
                "[stream]\nname = \"instructions\"\ntrain_rows = 8\nvalidation_rows = 2\n"
                "test_rows = 2\norder = \"topic\"\n"
                "[model]\nname = \"pretrained\"\npath = \"small\"\n" +
                    model +
                    "[train]\nsteps = 2\nbatch = 8\neval_batch = 2\nsamples = 0\nlr = 1e-4\n"
                    "[[method]]\nname = \"finetune\"\n");
}

Ended plan_run(const Scratch& scratch, const Words& more) {
  Words words = {"run", "sweep.toml", "--jobs", "1", "--quiet"};
  words.insert(words.end(), more.begin(), more.end());
  return lethe_run(scratch, words);
}

/// The peak that the refusal predicts, in MiB.
double predicted_peak(const std::string& said) {
  const std::string before = "predicted peak ";
  return std::stod(said.substr(said.find(before) + before.size()));
}

std::string in_bytes(double mib) { return std::to_string(static_cast<int64_t>(mib * 0x1p20)); }

std::vector<TrialRecord> plan_stored(const Scratch& scratch) {
  return ResultStore(scratch.path("lethe.db"), OpenMode::read_only).load({"*", "", "", false});
}

const std::string kPlanRefused =
    "error: by their memory plans trials of this sweep do not fit; nothing was loaded or stored, "
    "and --no-plan runs them all the same:\nmethod 'finetune' on stream 'instructions ";

}  // namespace

TEST_CASE("a limit just above the plan runs, one well below is refused and leaves nothing") {
  const Scratch scratch;
  write_plan_sweep(scratch);
  const Ended refused = plan_run(scratch, {"--memory", "1MiB"});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, StartsWith(kPlanRefused));
  CHECK_THAT(refused.err, Contains("but --memory is 1.0 MiB"));
  CHECK(refused.out.empty());
  const double peak = predicted_peak(refused.err);
  const Ended half = plan_run(scratch, {"--memory", in_bytes(peak / 2)});
  CHECK(half.code == 2);
  CHECK(predicted_peak(half.err) == peak);
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
  CHECK_FALSE(std::filesystem::exists(scratch.path("cache")));
  const Ended fits = plan_run(scratch, {"--memory", in_bytes(peak * 1.02)});
  CAPTURE(fits.err);
  CHECK(fits.code == 0);
  REQUIRE(plan_stored(scratch).size() == 1);
  CHECK(plan_stored(scratch)[0].status == "done");
  // What is done is not counted again.
  CHECK(plan_run(scratch, {"--memory", "1MiB"}).code == 0);
}

TEST_CASE("--no-plan runs what does not fit, and a failed trial counts only where it runs again") {
  const Scratch scratch;
  write_plan_sweep(scratch);
  const Ended all = plan_run(scratch, {"--memory", "2MiB", "--no-plan"});
  CHECK(all.code == 1);
  REQUIRE(plan_stored(scratch).size() == 1);
  CHECK_THAT(plan_stored(scratch)[0].error, Contains("out of memory: "));
  CHECK(plan_run(scratch, {"--memory", "2MiB"}).code == 1);
  const Ended again = plan_run(scratch, {"--memory", "2MiB", "--retry-failed"});
  CHECK(again.code == 2);
  CHECK_THAT(again.err, StartsWith(kPlanRefused));
}

TEST_CASE("a sweep that does not fit is refused before its weights are opened") {
  const Scratch scratch;
  write_plan_sweep(scratch, "");
  const float value = 1;
  write_safetensors(
      scratch.path("small/model.safetensors"),
      {{"none_of_the_model", {"F32", {1}, reinterpret_cast<const uint8_t*>(&value), 4}}});
  const Ended refused = plan_run(scratch, {"--memory", "1MiB"});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, StartsWith(kPlanRefused));
  const Ended opened = plan_run(scratch, {"--memory", "1MiB", "--no-plan"});
  CHECK(opened.code == 2);
  CHECK_THAT(opened.err, Contains("small does not fit the model; its config.json and its weights "
                                  "have to be of one model:"));
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
}
