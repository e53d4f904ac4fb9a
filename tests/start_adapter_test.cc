// An adapter as a starting point: merged, frozen or trained on, in a trial's text by its digest.
#include <catch2/catch.hpp>

#include "core/formats/peft_config.h"
#include "tests/deploy_case.h"

using Catch::Contains;

namespace {

/// The mean loss of the trial's probe after `task` tasks.
double probe(const Scratch& scratch, const std::string& trial, const std::string& task) {
  return std::stod(
      stored(scratch, "SELECT sum / total FROM evaluation WHERE on_task = 0 AND trial = " + trial +
                          " AND after_task = " + task));
}

std::string text_of(const Scratch& scratch, const std::string& trial) {
  return stored(scratch, "SELECT text FROM trial WHERE id = " + trial);
}

/// "adapter", of a LoRA trial of rank 2.
void make_adapter_folder(const Scratch& scratch) {
  write_small_sweep(scratch, kLora);
  run_small(scratch);
  REQUIRE(lethe_run(scratch, {"export", "1", "--to", "adapter"}).code == 0);
}

std::string starting(const std::string& use) {
  return "family = \"llama\"\nadapter = \"adapter\"\nadapter_use = \"" + use + "\"\n";
}

}  // namespace

TEST_CASE("a trial starts where the adapter ended, and its export holds both") {
  const Scratch scratch;
  make_adapter_folder(scratch);
  CHECK_THAT(text_of(scratch, "1"), !Contains("adapter"));
  const double ended = probe(scratch, "1", "2");
  CHECK(probe(scratch, "1", "0") != Approx(ended).epsilon(1e-3));
  int64_t trial = 1;
  const std::tuple<const char*, std::string, int64_t> cases[] = {
      {"merged", kLora, 4}, {"frozen", kLora, 4}, {"trained", method_table("finetune"), 2}};
  for (const auto& [use, method, rank] : cases) {
    CAPTURE(use);
    const std::string id = std::to_string(++trial);
    write_small_sweep(scratch, method, starting(use));
    run_small(scratch);
    CHECK(probe(scratch, id, "0") == Approx(ended).epsilon(1e-5));
    CHECK(probe(scratch, id, "2") != Approx(ended).epsilon(1e-3));
    CHECK_THAT(text_of(scratch, id), Contains("model.adapter_use = " + std::string(use)) &&
                                         !Contains("model.adapter = adapter"));
    const std::string to = "of_" + std::string(use);
    const Ended exported = lethe_run(scratch, {"export", id, "--to", to, "--logits", to + ".l"});
    CAPTURE(exported.err);
    REQUIRE(exported.code == 0);
    CHECK(lethe::read_peft_config(scratch.path(to)).rank == rank);
    // The export on the base is the trial's model: merged, it has the trained one's logits.
    const Ended merged = lethe_run(scratch, {"export", id, "--to", to + "_merged", "--merge"});
    CHECK_THAT(merged.out, Contains("logits differ by at most ") && Contains("e-0"));
  }
}

TEST_CASE("wrong starts are refused at their line") {
  const Scratch scratch;
  make_adapter_folder(scratch);
  const auto refused = [&](const std::string& methods, const std::string& model) {
    write_small_sweep(scratch, methods, model);
    const Ended ended = lethe_run(scratch, {"run", "small.toml"});
    CHECK(ended.code == 2);
    return ended.err;
  };
  CHECK(
      refused(kLora, starting("trained")) ==
      "error: small.toml:22: method 'lora' brings an adapter of its own, and adapter_use = trained "
      "trains the one that the model starts from; choose merged or frozen, or a method without an "
      "adapter\n");
  CHECK(
      refused(kLora, "adapter_use = \"frozen\"\n") ==
      "error: small.toml:13: option 'adapter_use' of model is frozen, but no adapter is given; set "
      "model.adapter\n");
  CHECK_THAT(refused(kLora, "adapter = \"none\"\n"),
             Contains("small.toml:13: ") && Contains("none/adapter_config.json"));
  CHECK_THAT(refused(kLora, starting("melted")),
             Contains("option 'adapter_use' of model is 'melted'; expected one of merged, frozen, "
                      "trained"));
}
