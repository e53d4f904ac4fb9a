// A sweep of small text trials for the tests of export and predict. Include Catch first.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>
#include <vector>

#include "tests/program.h"

using Words = std::vector<std::string>;

/// "small.toml": built-in tasks on a decoder of one narrow block, `methods` as [[method]] tables.
inline void write_small_sweep(const Scratch& scratch, const std::string& methods,
                              const std::string& model = "family = \"llama\"\n",
                              const std::string& head = "",
                              const std::string& train = "lr = 0.05\n") {
  scratch.write(
      "small.toml",
      head +
          "[stream]\nname = \"instructions\"\norder = \"sentiment,topic\"\ntrain_rows = 8\n"
          "validation_rows = 2\ntest_rows = 2\n[model]\nname = \"decoder\"\nwidth = 16\n"
          "layers = 1\nheads = 2\npretrain_steps = 0\n" +
          model + "[train]\nsteps = 2\nbatch = 4\nsamples = 0\n" + train + methods);
}

inline std::string method_table(const std::string& name, const std::string& more = "") {
  return "[[method]]\nname = \"" + name + "\"\n" + more;
}

inline const std::string kLora = method_table("lora", "rank = 2\n");

/// Runs small.toml, which has to finish; further words are the command's.
inline void run_small(const Scratch& scratch, const Words& more = {"--keep"}) {
  Words words = {"run", "small.toml", "--jobs", "1"};
  words.insert(words.end(), more.begin(), more.end());
  const Ended ended = lethe_run(scratch, words);
  CAPTURE(ended.err);
  REQUIRE(ended.code == 0);
}

/// One value of the store.
inline std::string stored(const Scratch& scratch, const std::string& query) {
  SQLite::Database db(scratch.path("lethe.db"));
  SQLite::Statement row(db, query);
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

inline std::string weights_file(const Scratch& scratch) {
  return scratch.path("lethe.db.weights/" + stored(scratch, "SELECT digest FROM trial") +
                      ".safetensors");
}
