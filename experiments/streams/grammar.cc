#include "experiments/streams/grammar.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "core/error.h"

namespace lethe {
namespace {

// The first `count` different values of draw(), told apart by key(value).
template <class Value, class Draw, class Key>
std::vector<Value> distinct(const std::string& name, int64_t count, Draw draw, Key key) {
  constexpr int64_t kPatience = 10000;  // draws without a new value
  std::vector<Value> values;
  std::unordered_set<std::string> known;
  int64_t repeated = 0;
  while (static_cast<int64_t>(values.size()) < count) {
    Value value = draw();
    if (known.insert(key(value)).second) {
      values.push_back(std::move(value));
      repeated = 0;
    } else if (++repeated == kPatience) {
      fail("the grammar of {} has about {} distinct rows, but {} were asked for; ask for fewer",
           name, values.size(), count);
    }
  }
  return values;
}

const Grammar& grammar(const std::string& task) {
  std::vector<std::string> names;
  for (const Grammar& known : grammars()) {
    if (known.name == task) return known;
    names.push_back(known.name);
  }
  fail("unknown instruction task '{}'; known tasks: {}", task, fmt::join(names, ", "));
}

}  // namespace

const std::vector<Grammar>& grammars() {
  static const std::vector<Grammar> all = {{"sentiment", sentiment_pair},
                                           {"summarisation", summary_pair},
                                           {"python", python_pair},
                                           {"topic", topic_pair}};
  return all;
}

std::vector<TextPair> distinct_pairs(const std::string& task, int64_t count, uint64_t seed) {
  const auto pair = grammar(task).pair;
  Random random(seed);
  return distinct<TextPair>(
      task, count, [&] { return pair(random); },
      [](const TextPair& drawn) { return drawn.prompt; });
}

std::vector<std::string> distinct_texts(int64_t count, uint64_t seed) {
  Random random(seed);
  return distinct<std::string>(
      "the pretraining mixture", count, [&] { return mixture_text(random); },
      [](const std::string& drawn) { return drawn; });
}

}  // namespace lethe
