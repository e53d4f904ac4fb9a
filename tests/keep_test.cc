// What a trial trained, kept beside the store: by --keep and by the sweep, once, whole, or not at
// all.
#include <catch2/catch.hpp>

#include "core/digest.h"
#include "core/formats/safetensors.h"
#include "tests/deploy_case.h"

using Catch::Contains;

TEST_CASE("a kept trial has a file beside the store, and its digest in it") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora);
  run_small(scratch);
  const std::string file = weights_file(scratch);
  REQUIRE(std::filesystem::exists(file));
  CHECK(stored(scratch, "SELECT path FROM artifact") ==
        "lethe.db.weights/" + stored(scratch, "SELECT digest FROM trial") + ".safetensors");
  CHECK(stored(scratch, "SELECT sha256 FROM artifact") == lethe::sha256_file(file));
  const lethe::SafetensorsFile kept(file);
  CHECK(kept.tensors().size() == 14);  // A and B of seven Linears
  CHECK(kept.tensors().count("layers.0.mlp.up_proj.lora_A.weight") == 1);
  // Nothing else lies in the folder.
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path("lethe.db.weights")), {}) ==
        1);
}

TEST_CASE("keeping is no part of a trial: a stored one runs again for the file alone") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora);
  run_small(scratch, {});
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db.weights")));
  const std::string facts =
      "SELECT digest || weights_digest || ended_at || (SELECT count(*) FROM curve) FROM trial";
  const std::string before = stored(scratch, facts);
  run_small(scratch);
  CHECK(stored(scratch, facts) == before);
  CHECK(stored(scratch, "SELECT count(*) FROM claim") == "0");
  const std::string file = weights_file(scratch);
  const std::string bytes = file_bytes(file);
  REQUIRE_FALSE(bytes.empty());
  // A file that is gone is made again, the same; one that is there is left.
  std::filesystem::remove(file);
  run_small(scratch);
  CHECK(file_bytes(file) == bytes);
  CHECK(stored(scratch, "SELECT count(*) FROM artifact") == "1");
  const auto written = std::filesystem::last_write_time(file);
  run_small(scratch);
  CHECK(std::filesystem::last_write_time(file) == written);
}

TEST_CASE("a sweep asks for it with keep = trained") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora, "", "keep = \"trained\"\n");
  run_small(scratch, {});
  CHECK(std::filesystem::exists(weights_file(scratch)));
  write_small_sweep(scratch, kLora, "", "keep = \"all\"\n");
  const Ended ended = lethe_run(scratch, {"run", "small.toml"});
  CHECK(ended.code == 2);
  CHECK(ended.err == "error: small.toml:1: 'keep' is 'all', expected trained or none\n");
}

TEST_CASE("a trial that fails leaves no file") {
  const Scratch scratch;
  write_small_sweep(scratch, method_table("finetune"), "", "", "optimizer = \"sgd\"\nlr = 1e30\n");
  const Ended ended = lethe_run(scratch, {"run", "small.toml", "--keep", "--jobs", "1"});
  CHECK(ended.code == 1);
  CHECK(std::filesystem::is_empty(scratch.path("lethe.db.weights")));
  CHECK(stored(scratch, "SELECT count(*) FROM artifact") == "0");
}

TEST_CASE("a trial without kept values is refused with the command that makes them") {
  const Scratch scratch;
  write_small_sweep(scratch, kLora);
  run_small(scratch, {});
  const Ended none = lethe_run(scratch, {"export", "1", "--to", "out"});
  CHECK(none.code == 2);
  CHECK(
      none.err ==
      "error: trial 1 of lethe.db kept no values; keep them with: lethe run small.toml --keep --db "
      "lethe.db\n");
  run_small(scratch);
  const std::string file = weights_file(scratch);
  const std::string shown =
      "lethe.db.weights/" + stored(scratch, "SELECT digest FROM trial") + ".safetensors";
  std::ofstream(file, std::ios::app) << "x";
  const Ended changed = lethe_run(scratch, {"export", "1", "--to", "out"});
  CHECK(changed.err ==
        "error: " + shown +
            " is not what trial 1 wrote; delete it and make it again with: lethe run "
            "small.toml --keep --db lethe.db\n");
  std::filesystem::remove(file);
  const Ended gone = lethe_run(scratch, {"export", "1", "--to", "out"});
  CHECK(gone.err ==
        "error: " + shown +
            " is gone; make it again with: lethe run small.toml --keep --db lethe.db\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path("out")));
}
