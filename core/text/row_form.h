// What rows a model reads. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

enum class RowForm {
  text,     ///< prompt and response as one text: TextRows
  pairs,    ///< sources and targets: PairRows
  classes,  ///< texts and their classes: ClassRows
};

/// The rows of one model.
struct ModelRows {
  RowForm form = RowForm::text;
  int64_t start_id = 0;    ///< of pairs: what the decoder reads first
  std::string model = {};  ///< for messages, as in "the t5 model of ../models/flan-t5-small"
};

}  // namespace lethe
