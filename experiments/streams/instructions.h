// The built-in instruction tasks as a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/task.h"
#include "core/text/tokenizer.h"

namespace lethe {

struct InstructionOptions {
  int64_t train_rows = 2000;
  int64_t validation_rows = 100;
  int64_t test_rows = 200;
  std::string order = "sentiment,summarisation,python,topic";
  int64_t data_seed = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("train_rows", train_rows, at_least(1), "training rows of a task");
    visit("validation_rows", validation_rows, at_least(1), "validation rows of a task");
    visit("test_rows", test_rows, at_least(1), "test rows of a task");
    visit("order", order, any(),
          "tasks, comma-separated; random = all four as the trial's seed orders");
    visit("data_seed", data_seed, at_least(0),
          "seed of the tasks' rows; a trial's seed does not change them");
  }
};

/// Word-level tokenizer of the built-in text; 470 ids. Shared, made at the first call.
std::shared_ptr<const Tokenizer> builtin_tokenizer();

/// The tasks of `options.order`, all measured by exact match, with the probe "pretraining": rows of
/// the default mixture's held-out split, whatever the data seed. All rows of a task are distinct.
/// `seed`, the trial's, orders the tasks where order = random and does nothing else. Throws Error
/// for an unknown or repeated task.
TaskStream make_instruction_stream(const InstructionOptions& options, int64_t seed);

}  // namespace lethe
