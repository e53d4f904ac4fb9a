// General text for pretraining.
#include <fmt/format.h>

#include "experiments/streams/grammar.h"
#include "experiments/streams/grammar_words.h"
#include "experiments/streams/lexicon.h"

namespace lethe {
namespace {

std::string story(Random& random) {
  const Lexicon& words = lexicon();
  const std::string& person = pick(words.people, random);
  const auto [first, second] = pick_two(words.places, random);
  const std::string& goods = pick(words.goods, random);
  const std::string& quality = pick(words.qualities, random);
  const std::string& time = pick(words.times, random);
  const std::string& scenery = pick(words.scenery, random);
  const std::string& mood = pick(words.moods, random);
  const auto [deed, later] = pick_two(words.deeds, random);
  const std::string& count = pick(words.counts, random);
  if (chance(0.5, random)) {
    return fmt::format(
        "Story: the {} went to the {} on {}. the {} was {}. then the {} {} {} {} {}.", person,
        first, time, scenery, mood, person, deed, count, quality, goods);
  }
  return fmt::format(
      "Text: the {} {} the {} {} near the {} and then {} the {} at the {}. the {} was {}.", person,
      deed, quality, goods, first, later, goods, second, scenery, mood);
}

// What was done, and who told of it again: what is said twice teaches to look back.
std::string retelling(Random& random) {
  const Lexicon& words = lexicon();
  const std::string& person = pick(words.people, random);
  const std::string& deed = pick(words.deeds, random);
  const std::string& goods = pick(words.goods, random);
  const std::string& count = pick(words.counts, random);
  const std::string& place = pick(words.places, random);
  const std::string& scenery = pick(words.scenery, random);
  const std::string& mood = pick(words.moods, random);
  const std::string fact =
      fmt::format("the {} {} {} {} at the {}.", person, deed, count, goods, place);
  const std::string scene = fmt::format("the {} was {}.", scenery, mood);
  switch (random.below(4)) {
    case 0:
      return fmt::format("Story: {} {} my friend said the {} {} {}.", scene, fact, person, deed,
                         goods);
    case 1:
      return fmt::format("Text: {} {} then we saw the {} and the {}.", fact, scene, person, goods);
    case 2:
      return fmt::format("Story: {} we asked about the {} and the {} of the {}.", fact, person,
                         goods, place);
    default:
      return fmt::format("Text: {} {} {} then the {} {} the {}.", scene, fact, scene, person, deed,
                         goods);
  }
}

std::string subject_fact(Random& random) {
  const Lexicon& words = lexicon();
  const Subject& subject = pick(words.subjects, random);
  const auto [first, second] = pick_two(subject.nouns, random);
  const std::string& person = pick(words.people, random);
  switch (random.below(3)) {
    case 0:
      return fmt::format("Fact: the {} likes {} and has the {} and the {}.", person, subject.name,
                         first, second);
    case 1:
      return fmt::format("Text: we saw the {} near the {} on {}. the {} needs {}.", first, second,
                         pick(words.times, random), person, subject.name);
    default:
      return fmt::format("Fact: the {} is one word of {} and the {} asked about the {}.", first,
                         subject.name, person, second);
  }
}

std::string word_fact(Random& random) {
  const Lexicon& words = lexicon();
  const bool positive = chance(0.5, random);
  const auto [first, second] = pick_two(positive ? words.praise : words.blame, random);
  const std::string& other = pick(positive ? words.blame : words.praise, random);
  const char* const label = positive ? "positive" : "negative";
  if (chance(0.5, random)) {
    return fmt::format("Fact: {} is {} and {} is {}, but {} and {} is mixed.", first, label, second,
                       label, first, other);
  }
  static const Words kForms = {"Sentiment", "Summary", "Python", "Topic"};
  const auto [one, two] = pick_two(kForms, random);
  return fmt::format("Fact: the {} is short and the {} has one word, not {} but {}.", one, two,
                     first, second);
}

std::string opinion(Random& random) {
  const Lexicon& words = lexicon();
  const auto [thing, other] = pick_two(words.things, random);
  const std::string& person = pick(words.people, random);
  const std::string& opener = pick(words.openers, random);
  const std::string& stress = pick(words.intensity, random);
  const auto [first, second] = pick_two(chance(0.5, random) ? words.praise : words.blame, random);
  return fmt::format("Review: {} the {} was {} {} and {}. then the {} asked about the {}.", opener,
                     thing, stress, first, second, person, other);
}

std::string calculation(Random& random) {
  const int64_t a = 1 + random.below(9), b = 1 + random.below(9);
  const std::string& name = pick(lexicon().variables, random);
  const std::string& person = pick(lexicon().people, random);
  switch (random.below(4)) {
    case 0:
      return fmt::format("Sum: {} plus {} is {}. the {} has {} = {}.", a, b, a + b, person, name,
                         a + b);
    case 1:
      return fmt::format("Sum: the difference of {} and {} is {}. the sum of {} and {} is {}.",
                         a + b, a, b, a, b, a + b);
    case 2:
      return fmt::format("Task: {} times {} is {} and the product of {} and {} is {}.", a, b, a * b,
                         b, a, a * b);
    default:
      return fmt::format("Sum: {} divided by {} is {}. {} minus {} is {} by the {}.", a * b, b, a,
                         a + b, b, a, person);
  }
}

// Code with what it computes said in words.
std::string remark(Random& random) {
  const Lexicon& words = lexicon();
  const auto [name, first] = pick_two(words.variables, random);
  const std::string& second = pick(chance(0.5, random) ? words.variables : words.digits, random);
  const bool turned = chance(0.5, random);
  const std::string& a = turned ? second : first;
  const std::string& b = turned ? first : second;
  static const std::vector<Words> kMeanings = {{"+", "sum"}, {"-", "difference"}, {"*", "product"}};
  const Words& meaning = pick(kMeanings, random);
  return fmt::format("Code: {} = {} {} {}, the {} of {} and {}, then print({}).", name, a,
                     meaning[0], b, meaning[1], a, b, name);
}

std::string code(Random& random) {
  const Lexicon& words = lexicon();
  const auto [name, other] = pick_two(words.variables, random);
  const auto [a, b] = pick_two(words.digits, random);
  static const Words kOperators = {"+", "-", "*", "//"};
  const auto [first, second] = pick_two(kOperators, random);
  const bool larger = chance(0.5, random);
  const char* const function = larger ? "max" : "min";
  switch (random.below(4)) {
    case 0:
      return fmt::format("Code: {} = {} {} {}, then {} = {} {} {} and print({}).", name, a, first,
                         b, other, name, second, a, other);
    case 1:
      return fmt::format("Code: {} = {}({}, {}) is the {} of {} and {}.", name, function, other, a,
                         larger ? "larger" : "smaller", other, a);
    case 2:
      return fmt::format("Code: {} = len({}) {} {}, the length of {}, then {} = {} {} {}.", name,
                         other, first, a, other, other, name, second, b);
    default:
      return fmt::format("Code: {} = {} {} ({} {} {}), then print({}({}, {})).", name, a, first,
                         other, second, b, function, name, b);
  }
}

}  // namespace

std::string mixture_text(Random& random) {
  using Kind = std::string (*)(Random&);
  static const std::vector<Kind> kKinds = {story,        retelling, retelling, retelling,
                                           subject_fact, word_fact, opinion,   calculation,
                                           code,         code,      remark,    remark};
  return pick(kKinds, random)(random);
}

}  // namespace lethe
