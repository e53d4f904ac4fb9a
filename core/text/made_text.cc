#include "core/text/made_text.h"

namespace lethe {

std::string made_text(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  std::vector<int64_t> known = ids;
  std::erase_if(known, [n = tokenizer.vocabulary_size()](int64_t id) { return id >= n; });
  return tokenizer.decode(known);
}

}  // namespace lethe
