#include "experiments/streams/instructions.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/random.h"
#include "core/text/text_rows.h"
#include "experiments/streams/grammar.h"
#include "experiments/streams/lexicon.h"
#include "experiments/streams/mixture.h"

namespace lethe {
namespace {

std::vector<std::string> task_order(const std::string& order, int64_t seed) {
  std::vector<std::string> names;
  if (order == "random") {
    for (const Grammar& grammar : grammars()) names.push_back(grammar.name);
    Random(static_cast<uint64_t>(seed)).shuffle(names);
    return names;
  }
  std::istringstream list(order);
  for (std::string name; std::getline(list, name, ',');) {
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      fail("instruction task '{}' stands twice in order = {}; name each task once", name, order);
    }
    names.push_back(name);
  }
  if (names.empty())
    fail("order names no instruction task; expected a list such as sentiment,topic");
  return names;
}

// Cuts a task's pairs into splits one after the other.
class Cutter {
 public:
  Cutter(std::string task, const std::vector<TextPair>& pairs, TaskStream& stream, int64_t& next_id)
      : task_(std::move(task)), pairs_(pairs), stream_(stream), next_id_(next_id) {}

  RowsPtr next(const std::string& split, int64_t count) {
    const auto tokenizer = builtin_tokenizer();
    std::vector<TextRow> rows;
    for (int64_t row = 0; row < count; ++row, ++used_) {
      rows.push_back(text_row(*tokenizer, pairs_[used_].prompt, pairs_[used_].response));
    }
    const auto cut = std::make_shared<TextRows>(
        tokenizer, std::move(rows),
        TextRowsOptions{.name = task_ + " " + split, .first_id = next_id_});
    next_id_ += count;
    stream_.longest = std::max(stream_.longest, cut->longest());
    return cut;
  }

 private:
  std::string task_;
  const std::vector<TextPair>& pairs_;
  TaskStream& stream_;
  int64_t& next_id_;
  int64_t used_ = 0;
};

void add_task(const std::string& name, const InstructionOptions& options, TaskStream& stream,
              int64_t& next_id) {
  const int64_t rows = options.test_rows + options.validation_rows + options.train_rows;
  const auto pairs = distinct_pairs(name, rows, static_cast<uint64_t>(options.data_seed));
  Cutter cutter(name, pairs, stream, next_id);
  Task task;
  task.name = name;
  task.metric = {.name = "exact_match", .unit = "fraction", .higher_is_better = true};
  // Training rows last, so that their number changes no other split.
  task.test = cutter.next("test", options.test_rows);
  task.validation = cutter.next("validation", options.validation_rows);
  task.train = cutter.next("train", options.train_rows);
  stream.tasks.push_back(std::move(task));
}

}  // namespace

std::shared_ptr<const Tokenizer> builtin_tokenizer() {
  static const auto tokenizer = std::make_shared<const WordTokenizer>(builtin_words());
  return tokenizer;
}

TaskStream make_instruction_stream(const InstructionOptions& options, int64_t seed) {
  TaskStream stream;
  stream.name = "instructions";
  stream.tokenizer = builtin_tokenizer();
  int64_t next_id = 0;
  for (const std::string& name : task_order(options.order, seed)) {
    add_task(name, options, stream, next_id);
  }
  // Whatever the data seed: models are pretrained on the default mixture, and only its own held-out
  // rows are sure to be none of its training rows.
  const auto held_out =
      std::make_shared<TextRows>(make_mixture({}, MixtureSplit::held_out, next_id));
  stream.longest = std::max(stream.longest, held_out->longest());
  stream.probes.push_back({"pretraining", {"loss", "nats", false}, held_out});
  check_stream(stream);
  return stream;
}

}  // namespace lethe
