// A folder with a small GPT-2 and sweeps of plain text on it, for tests of what fits the memory.
// Include tests/catch.h first.
#pragma once

#include <string>
#include <vector>

#include "core/models/model_facts.h"
#include "tests/hf_folder.h"
#include "tests/sweep_case.h"

namespace lethe {

/// Rows are windows of 17 tokens, of which 16 are read and predicted, in two tasks.
struct FitCase {
  explicit FitCase(bool weights = false) {
    const std::string config = R"({"model_type": "gpt2", "vocab_size": 1200, "n_embd": 64,
        "n_layer": 3, "n_head": 4, "n_positions": 64})";
    scratch.write("config.json", config);
    if (weights) write_folder(scratch, config);
    std::string text;
    for (int line = 0; line < 24; ++line) text += "the film is good and the end is bad\n";
    scratch.write("text.txt", text);
  }

  plan::ModelFacts facts() const { return model_facts(HfConfig::read(scratch.folder())); }

  /// The trials of one method on the folder, which has no tokenizer of its own. `method` is also
  /// lines of [[method]] behind its name, `model` of [model].
  std::vector<Trial> trials(const std::string& method, const std::string& more = "",
                            const std::string& model = "") const {
    const auto task = [](const std::string& name) {
      return "[[stream.task]]\nname = \"" + name +
             "\"\nform = \"text\"\nfile = \"text.txt\"\nwindow = 17\nmetric = \"loss\"\n";
    };
    const std::string text =
        "[stream]\nname = \"text\"\n" + task("one") + task("two") +
        "[model]\nname = \"pretrained\"\npath = \".\"\n" +
        (model.empty() ? "init = \"random\"\n" : model) +
        "[train]\nsteps = 2\nbatch = 4\neval_batch = 4\nsamples = 0\nlr = 1e-4\n"
        "[[method]]\nname = \"" +
        method + "\"\n" + more;
    return expand(parse_sweep(text, scratch.path("s.toml")), builtin_methods(),
                  [](const Part&) { return ModelTokenizer{}; });
  }

  Scratch scratch;
};

}  // namespace lethe
