#include "experiments/predict_classes.h"

#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/models/pretrained.h"

namespace lethe {

std::vector<std::string> label_names(const StartingPoint& start, int64_t classes) {
  if (static_cast<int64_t>(start.class_names.size()) == classes) return start.class_names;
  const HfConfig config = HfConfig::read(folder_of(start));
  const bool named = config.entries({"id2label"}) == classes;
  std::vector<std::string> names;
  for (int64_t label = 0; label < classes; ++label) {
    const std::string number = std::to_string(label);
    names.push_back(named ? config.text({"id2label." + number}, number) : number);
  }
  return names;
}

std::shared_ptr<const ClassRows> class_rows(const std::shared_ptr<const Tokenizer>& tokenizer,
                                            const std::vector<PredictRow>& rows, bool pairs,
                                            const StartingPoint& start, const std::string& named) {
  std::vector<ClassRow> encoded;
  for (const PredictRow& row : rows) {
    encoded.push_back({tokenizer->encode(row.prompt), tokenizer->encode(row.second), 0});
    if (!encoded.back().first.empty() || !encoded.back().second.empty()) continue;
    fail("{} is empty; give {} a text to read", row.name, named);
  }
  ClassRowsOptions options;
  options.name = "the rows";
  options.classes = 1;  // no row's class is known
  options.pairs = pairs;
  auto made = std::make_shared<ClassRows>(tokenizer, std::move(encoded), options);
  const HfConfig config = HfConfig::read(folder_of(start));
  const int64_t limit = pretrained_family(config).longest(config);
  for (size_t row = 0; limit > 0 && row < rows.size(); ++row) {
    const int64_t tokens = made->length(static_cast<int64_t>(row));
    if (tokens <= limit) continue;
    fail("{} has {} tokens, marks included, and the model takes {}; shorten it", rows[row].name,
         tokens, limit);
  }
  return made;
}

std::vector<PredictedClass> classified(Model& model, const ClassRows& rows,
                                       const std::vector<size_t>& indices,
                                       const std::vector<std::string>& names) {
  const at::NoGradGuard no_grad;
  const Batch batch = rows.batch({indices.begin(), indices.end()});
  const auto [best, label] = model.forward(batch).to(at::kDouble).softmax(1).max(1);
  std::vector<PredictedClass> found;
  for (int64_t row = 0; row < best.size(0); ++row) {
    const int64_t number = label[row].item<int64_t>();
    found.push_back({names.at(static_cast<size_t>(number)), best[row].item<double>()});
  }
  return found;
}

}  // namespace lethe
