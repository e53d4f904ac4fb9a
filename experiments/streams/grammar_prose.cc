// Sentiment, summaries and topics.
#include <fmt/format.h>

#include "experiments/streams/grammar.h"
#include "experiments/streams/grammar_words.h"
#include "experiments/streams/lexicon.h"

namespace lethe {
namespace {

// "the film was very good", of the given sentiment; a third of them by negation.
std::string judgement(bool positive, Random& random) {
  const Lexicon& words = lexicon();
  const bool negated = chance(1.0 / 3, random);
  const std::string& quality = pick(positive != negated ? words.praise : words.blame, random);
  const std::string stress = chance(0.4, random) ? " " + pick(words.intensity, random) : "";
  return fmt::format("the {} was{}{} {}", pick(words.things, random), negated ? " not" : "", stress,
                     quality);
}

std::string scene(Random& random) {
  const std::string& place = pick(lexicon().scenery, random);
  return fmt::format("the {} was {}.", place, pick(lexicon().moods, random));
}

// A sentence about nouns of one subject; the last forms also name another subject's noun, denied.
std::string about(const Subject& subject, Random& random) {
  const auto [first, second] = pick_two(subject.nouns, random);
  const std::string& person = pick(lexicon().people, random);
  const std::string& time = pick(lexicon().times, random);
  const std::string& place = pick(lexicon().places, random);
  switch (random.below(5)) {
    case 0:
      return fmt::format("the {} was near the {} at the {}.", first, second, place);
    case 1:
      return fmt::format("we saw the {} and the {} on {}.", first, second, time);
    case 2:
      return fmt::format("the {} asked about the {}. {}", person, first, scene(random));
    case 3:
      return fmt::format("the {} and the {} saw the {}.", person, pick(lexicon().people, random),
                         first);
    default:
      break;
  }
  const std::string& denied = pick(pick(lexicon().subjects, random).nouns, random);
  return fmt::format("the {} asked about the {} and not the {}.", person, first, denied);
}

}  // namespace

TextPair sentiment_pair(Random& random) {
  const int64_t label = random.below(3);  // positive, negative, mixed
  const bool first = label == 2 ? chance(0.5, random) : label == 0;
  std::string text = chance(0.4, random) ? pick(lexicon().openers, random) + " " : "";
  text += judgement(first, random);
  if (label == 2) {
    text += " but " + judgement(!first, random);
  } else if (chance(0.6, random)) {
    text += " and " + judgement(first, random);
  }
  const char* const names[] = {"positive", "negative", "mixed"};
  return {fmt::format("Review: {}. Sentiment:", text), fmt::format(" {}", names[label])};
}

TextPair summary_pair(Random& random) {
  const Lexicon& words = lexicon();
  const std::string& person = pick(words.people, random);
  const std::string& deed = pick(words.deeds, random);
  const std::string& goods = pick(words.goods, random);
  const std::string quality = chance(0.5, random) ? pick(words.qualities, random) + " " : "";
  const std::string& count = pick(words.counts, random);
  std::string text = fmt::format("the {} {} {} {}{} at the {}.", person, deed, count, quality,
                                 goods, pick(words.places, random));
  const int64_t form = random.below(3);
  if (form != 0) text = scene(random) + " " + text;
  if (form != 1) text += " " + scene(random);
  return {fmt::format("Text: {} Summary:", text), fmt::format(" {} {} {}", person, deed, goods)};
}

TextPair topic_pair(Random& random) {
  const Subject& subject = pick(lexicon().subjects, random);
  return {fmt::format("Text: {} Topic:", about(subject, random)), " " + subject.name};
}

}  // namespace lethe
