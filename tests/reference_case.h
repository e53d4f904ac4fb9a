// A store's comparisons and a reference file about them, for the tests of both.
#pragma once

#include <string>
#include <vector>

#include "analysis/comparison.h"
#include "tests/r_matrices.h"

namespace lethe {

/// A trial of split MNIST whose final average is `average`.
inline TrialRecord split_trial(const std::string& method, int64_t seed, double average,
                               const std::string& scenario = "class",
                               const std::string& more = "") {
  TrialRecord record = finished(method, seed, {{.1, .1}, {.9, .2}, {average, average}});
  record.stream = scenario == "class" ? "split" : "split scenario=" + scenario;
  record.key.text = "method = " + method + "\nseed = " + std::to_string(seed) +
                    "\nstream.name = split\nstream.scenario = " + scenario + "\nstream.tasks = 5" +
                    more;
  return record;
}

/// Class-incremental means: finetune .2 (sd .01), ewc .25 (seeds .24 and .26), si .8 (one seed),
/// joint .9.
inline std::vector<Comparison> split_comparisons() {
  return compare({split_trial("finetune", 1, .19), split_trial("finetune", 2, .2),
                  split_trial("finetune", 3, .21), split_trial("ewc", 1, .24),
                  split_trial("ewc", 2, .26), split_trial("si", 1, .8),
                  split_trial("joint", 1, .9)});
}

inline const std::string kSources =
    "[[source]]\nkey = \"paper\"\ncite = \"A & B 2022\"\nstatus = \"recalled\"\nseeds = 4\n"
    "[[source]]\nkey = \"first\"\ncite = \"the preprint\"\nstatus = \"quoted\"\n";
inline const std::string kStream =
    "[[stream]]\nname = \"split\"\nwhen.scenario = \"class\"\nwhen.tasks = 5\n"
    "title = \"Split, class\"\nmetric = \"final_average\"\n";

/// One [[stream.figure]] of a method.
inline std::string figure(const std::string& method, const std::string& rest) {
  return "[[stream.figure]]\nmethod = \"" + method + "\"\n" + rest + "\n";
}

}  // namespace lethe
