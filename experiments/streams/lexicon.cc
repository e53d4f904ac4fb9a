#include "experiments/streams/lexicon.h"

#include <set>
#include <sstream>

namespace lethe {
namespace {

Words split(const char* text) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<Subject> make_subjects() {
  return {
      {"sport", split("player coach goal match race ball")},
      {"food", split("soup bread cheese cook kitchen salt")},
      {"music", split("piano drum singer band concert violin")},
      {"weather", split("rain snow storm cloud frost thunder")},
      {"travel", split("train plane ticket airport bus map")},
      {"money", split("bank coin price loan tax purse")},
  };
}

Lexicon make_lexicon() {
  Lexicon words;
  words.things = split("film book meal hotel song game show play phone shop");
  words.praise = split("good great lovely superb bright fresh funny kind clever perfect");
  words.blame = split("bad awful dull poor weak slow rude boring dirty broken");
  words.intensity = split("very really quite so");
  words.openers = {"i thought", "we felt", "my friend said"};
  words.people = split("farmer teacher doctor baker sailor painter girl king");
  words.deeds = split("sold bought found lost built washed moved kept");
  words.goods = split("horses boats lamps chairs apples hats clocks kites");
  words.counts = split("two three four five");
  words.qualities = split("old new red blue small");
  words.places = split("market river garden school station harbour castle village");
  words.times = split("monday friday sunday");
  words.scenery = split("sky air street wind town day");
  words.moods = split("grey clear cold warm quiet busy");
  words.subjects = make_subjects();
  words.variables = split("x y z a b");
  words.digits = split("1 2 3 4 5 6 7 8 9");
  return words;
}

// The words that the grammars write themselves.
const char* const kFirstWords = "Review Text Task Story Fact Code Sum";
const char* const kJoints =
    "the was and but not i thought we felt my friend said near about at on then went to saw asked "
    "is "
    "of likes has word one short needs Sentiment Summary Python Topic positive negative mixed";
const char* const kExpressions =
    "plus minus times divided by sum difference product larger smaller length + - * / ( = len "
    "max min print";

}  // namespace

const Lexicon& lexicon() {
  static const Lexicon words = make_lexicon();
  return words;
}

std::vector<std::string> builtin_words() {
  std::vector<std::string> list = split(kFirstWords);
  std::set<std::string> known(list.begin(), list.end());
  const auto add = [&](const Words& words) {
    for (const std::string& word : words) {
      if (known.insert(" " + word).second) list.push_back(" " + word);
    }
  };
  const Lexicon& words = lexicon();
  add(split(kJoints));
  add(split(kExpressions));
  for (const Words* group :
       {&words.things, &words.praise, &words.blame, &words.intensity, &words.people, &words.deeds,
        &words.goods, &words.counts, &words.qualities, &words.places, &words.times, &words.scenery,
        &words.moods, &words.variables, &words.digits}) {
    add(*group);
  }
  for (const Subject& subject : words.subjects) {
    add({subject.name});
    add(subject.nouns);
  }
  for (const char* inner : {"max", "min"}) list.emplace_back(inner);
  return list;
}

}  // namespace lethe
