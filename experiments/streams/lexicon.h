// The words of the built-in text: all that the grammars say is made of these. Free of libtorch.
#pragma once

#include <string>
#include <vector>

namespace lethe {

using Words = std::vector<std::string>;

/// A subject of the topic task and the nouns that belong to it and to no other.
struct Subject {
  std::string name;
  Words nouns;
};

struct Lexicon {
  Words things;  ///< what reviews are about
  Words praise, blame;
  Words intensity;  ///< "very", "quite"
  Words openers;    ///< "i thought the film", of several words each
  Words people, deeds, goods, counts, qualities, places,
      times;             ///< "the farmer sold two old boats"
  Words scenery, moods;  ///< "the sky was grey"
  std::vector<Subject> subjects;
  Words variables, digits;  ///< of expressions, one character each
};

const Lexicon& lexicon();

/// The tokens of the built-in vocabulary beyond single bytes, each a piece of text as the tokenizer
/// cuts it: nearly all with a space before, since only a row's first word has none.
std::vector<std::string> builtin_words();

}  // namespace lethe
