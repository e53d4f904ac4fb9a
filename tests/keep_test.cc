// What a trial trained, kept beside the store by the program: once, whole, or not at all.
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "core/digest.h"
#include "core/error.h"
#include "core/formats/safetensors.h"
#include "experiments/kept.h"
#include "tests/program.h"

using namespace lethe;

namespace {

const std::string kMethod = "[[method]]\nname = \"finetune\"\n";

/// Runs sweep.toml; further words are the command's.
int run(const Scratch& scratch, std::vector<std::string> more) {
  std::vector<std::string> words = {"run", "sweep.toml", "--jobs", "1", "--quiet"};
  words.insert(words.end(), more.begin(), more.end());
  return lethe_run(scratch, words).code;
}

std::string stored(const Scratch& scratch, const std::string& query) {
  SQLite::Database db(scratch.path("lethe.db"));
  SQLite::Statement row(db, query);
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

std::string refusal(const Scratch& scratch) {
  const std::string db = scratch.path("lethe.db");
  try {
    return kept_file(db, ResultStore(db, OpenMode::read_only).find("1"));
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("keeping is no part of a trial: a stored one runs again for the file alone") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kMethod);
  REQUIRE(run(scratch, {}) == 0);
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db.weights")));
  const std::string db = scratch.path("lethe.db");
  const std::string command = "lethe run sweep.toml --keep --db " + db;
  CHECK(refusal(scratch) == "trial 1 of " + db + " kept no values; keep them with: " + command);
  const std::string facts =
      "SELECT digest || weights_digest || ended_at || (SELECT count(*) FROM curve) FROM trial";
  const std::string before = stored(scratch, facts);
  REQUIRE(run(scratch, {"--keep"}) == 0);
  CHECK(stored(scratch, facts) == before);
  CHECK(stored(scratch, "SELECT count(*) FROM claim") == "0");
  const std::string file = refusal(scratch);
  const std::string name = "lethe.db.weights/" + stored(scratch, "SELECT digest FROM trial");
  CHECK(file == scratch.path(name + ".safetensors"));
  CHECK(stored(scratch, "SELECT path FROM artifact") == name + ".safetensors");
  CHECK(stored(scratch, "SELECT sha256 FROM artifact") == sha256_file(file));
  CHECK(SafetensorsFile(file).tensors().size() == 6);  // weights and biases of three Linears
  // Nothing else lies in the folder, and a file that is gone is made again, the same.
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path("lethe.db.weights")), {}) ==
        1);
  const std::string bytes = file_bytes(file);
  std::ofstream(file, std::ios::app) << "x";
  CHECK(refusal(scratch) ==
        file + " is not what trial 1 wrote; delete it and make it again with: " + command);
  std::filesystem::remove(file);
  CHECK(refusal(scratch) == file + " is gone; make it again with: " + command);
  REQUIRE(run(scratch, {"--keep"}) == 0);
  CHECK(file_bytes(file) == bytes);
  CHECK(stored(scratch, "SELECT count(*) FROM artifact") == "1");
}

TEST_CASE("a sweep asks for it with keep = trained; a trial that fails leaves no file") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kMethod);
  const std::string sweep = file_bytes(scratch.path("sweep.toml"));
  scratch.write("sweep.toml", "keep = \"trained\"\n" + sweep);
  CHECK(run(scratch, {"--set", "train.optimizer=sgd", "--set", "train.lr=1e30"}) == 1);
  CHECK(std::filesystem::is_empty(scratch.path("lethe.db.weights")));
  CHECK(run(scratch, {}) == 0);
  CHECK(stored(scratch, "SELECT count(*) FROM artifact") == "1");
  scratch.write("sweep.toml", "keep = \"all\"\n" + sweep);
  const Ended ended = lethe_run(scratch, {"run", "sweep.toml"});
  CHECK(ended.code == 2);
  CHECK(ended.err == "error: sweep.toml:1: 'keep' is 'all', expected trained or none\n");
}
