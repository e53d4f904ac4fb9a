// Grammars that write the built-in text: four instruction tasks and a general mixture. Free of
// libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace lethe {

/// An instruction and its answer. The answer begins with the space that parts them.
struct TextPair {
  std::string prompt, response;
};

/// "Review: the film was not good. Sentiment:" -> " negative"; also positive and mixed.
TextPair sentiment_pair(Random& random);
/// "Text: the sky was grey. the farmer sold two old boats at the market. Summary:" -> " farmer sold
/// boats".
TextPair summary_pair(Random& random);
/// "Task: the sum of x and 3 times y. Python:" -> " x + 3 * y"; at most two operations, / is //.
TextPair python_pair(Random& random);
/// "Text: the piano was near the concert. Topic:" -> " music"; one of six topics.
TextPair topic_pair(Random& random);

/// A row of general text that uses the words of all tasks and is none of their pairs: facts,
/// stories, opinions, sums and code.
std::string mixture_text(Random& random);

/// An instruction task and the grammar that writes it.
struct Grammar {
  std::string name;
  TextPair (*pair)(Random&);
};

/// sentiment, summarisation, python, topic.
const std::vector<Grammar>& grammars();

/// The first `count` pairs of distinct prompts that the seed yields, so that a greater count only
/// adds pairs. Throws Error for an unknown task, naming the known ones, and where the grammar does
/// not have so many.
std::vector<TextPair> distinct_pairs(const std::string& task, int64_t count, uint64_t seed);

/// The same for the mixture.
std::vector<std::string> distinct_texts(int64_t count, uint64_t seed);

}  // namespace lethe
