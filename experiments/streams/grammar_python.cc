// English phrases of one or two operations and the Python expressions they mean.
#include <fmt/format.h>

#include <utility>

#include "experiments/streams/grammar.h"
#include "experiments/streams/grammar_words.h"
#include "experiments/streams/lexicon.h"

namespace lethe {
namespace {

// The same value in both languages.
struct Phrase {
  std::string english, python;
};

std::string operand(Random& random) {
  const Lexicon& words = lexicon();
  return chance(0.7, random) ? pick(words.variables, random) : pick(words.digits, random);
}

Phrase length_of(Random& random) {
  const std::string& name = pick(lexicon().variables, random);
  return {"the length of " + name, fmt::format("len({})", name)};
}

// A sum or difference of two operands.
Phrase sum(Random& random) {
  const std::string a = operand(random), b = operand(random);
  switch (random.below(4)) {
    case 0:
      return {fmt::format("{} plus {}", a, b), fmt::format("{} + {}", a, b)};
    case 1:
      return {fmt::format("{} minus {}", a, b), fmt::format("{} - {}", a, b)};
    case 2:
      return {fmt::format("the sum of {} and {}", a, b), fmt::format("{} + {}", a, b)};
    default:
      return {fmt::format("the difference of {} and {}", a, b), fmt::format("{} - {}", a, b)};
  }
}

Phrase product(Random& random) {
  const std::string a = operand(random), b = operand(random);
  switch (random.below(3)) {
    case 0:
      return {fmt::format("{} times {}", a, b), fmt::format("{} * {}", a, b)};
    case 1:
      return {fmt::format("the product of {} and {}", a, b), fmt::format("{} * {}", a, b)};
    default:
      return {fmt::format("{} divided by {}", a, b), fmt::format("{} // {}", a, b)};
  }
}

Phrase extreme(Random& random) {
  const std::string a = operand(random), b = operand(random);
  const bool larger = chance(0.5, random);
  return {fmt::format("the {} of {} and {}", larger ? "larger" : "smaller", a, b),
          fmt::format("{}({}, {})", larger ? "max" : "min", a, b)};
}

// Two operations, the second one first to be done.
Phrase nested(Random& random) {
  const std::string a = operand(random);
  switch (random.below(4)) {
    case 0: {
      const std::string b = operand(random), c = operand(random);
      return {fmt::format("the sum of {} and {} times {}", a, b, c),
              fmt::format("{} + {} * {}", a, b, c)};
    }
    case 1: {
      const std::string b = operand(random), c = operand(random);
      return {fmt::format("{} times the sum of {} and {}", a, b, c),
              fmt::format("{} * ({} + {})", a, b, c)};
    }
    case 2: {
      const Phrase inner = length_of(random);
      return {fmt::format("{} plus {}", a, inner.english), fmt::format("{} + {}", a, inner.python)};
    }
    default: {
      const Phrase inner = length_of(random);
      return {fmt::format("{} minus {}", inner.english, a),
              fmt::format("{} - {}", inner.python, a)};
    }
  }
}

Phrase phrase(Random& random) {
  const int64_t form = random.below(8);
  if (form < 2) return sum(random);
  if (form < 4) return product(random);
  if (form < 5) return extreme(random);
  return nested(random);
}

}  // namespace

TextPair python_pair(Random& random) {
  const Phrase drawn = phrase(random);
  return {fmt::format("Task: {}. Python:", drawn.english), " " + drawn.python};
}

}  // namespace lethe
