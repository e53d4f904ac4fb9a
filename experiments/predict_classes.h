// `lethe predict` with a model that classifies: texts in, their classes out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/text/class_rows.h"
#include "experiments/deploy.h"
#include "experiments/predict_rows.h"

namespace lethe {

struct PredictedClass {
  std::string label;
  double probability = 0;  ///< softmax over all classes
};

/// The names of so many classes: the trial's, else those of id2label in the folder's config.json
/// where it has as many, else numbers.
std::vector<std::string> label_names(const StartingPoint& start, int64_t classes);

/// The rows as a classifier is trained on them; with `pairs` a row without a second text is a pair
/// too. Throws Error naming the row where it has no token or more than the model takes; `named` is
/// the model for messages.
std::shared_ptr<const ClassRows> class_rows(const std::shared_ptr<const Tokenizer>& tokenizer,
                                            const std::vector<PredictRow>& rows, bool pairs,
                                            const StartingPoint& start, const std::string& named);

/// The likeliest class of each of these rows. The model is in evaluation mode.
std::vector<PredictedClass> classified(Model& model, const ClassRows& rows,
                                       const std::vector<size_t>& indices,
                                       const std::vector<std::string>& names);

}  // namespace lethe
