#include "core/contract_case.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/error.h"
#include "core/formats/safetensors.h"
#include "core/image_rows.h"
#include "core/models/models.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/text/text_rows.h"

namespace lethe {
namespace {

constexpr int64_t kTasks = 3, kClasses = 6, kSide = 3, kRows = 48, kLetters = 3;
constexpr int64_t kLongest = kLetters + 2, kVirtual = 16;  // tokens

/// Noisy images of one bright corner or edge a class.
std::shared_ptr<const ImageSet> small_images() {
  Random random(1);
  std::vector<uint8_t> pixels, labels;
  for (int64_t i = 0; i < 2 * kRows * kTasks; ++i) {
    const int64_t label = i % kClasses;
    labels.push_back(static_cast<uint8_t>(label));
    for (int64_t p = 0; p < kSide * kSide; ++p) {
      pixels.push_back(static_cast<uint8_t>((p == label ? 155 : 0) + random.below(100)));
    }
  }
  return std::make_shared<ImageSet>(kSide, kSide, std::move(pixels), std::move(labels));
}

/// Three letters and, as the response, one of them: which one is the task.
std::shared_ptr<TextRows> letter_rows(const std::shared_ptr<const Tokenizer>& tokenizer,
                                      int64_t task, int64_t rows, int64_t first_id) {
  Random random(static_cast<uint64_t>(first_id) + 1);
  std::vector<TextRow> made;
  for (int64_t i = 0; i < rows; ++i) {
    std::string prompt;
    for (int letter = 0; letter < kLetters; ++letter) {
      prompt += static_cast<char>('a' + random.below(6));
    }
    made.push_back(text_row(*tokenizer, prompt, prompt.substr(static_cast<size_t>(task), 1)));
  }
  return std::make_shared<TextRows>(tokenizer, std::move(made),
                                    TextRowsOptions{"letters", Predict::response, first_id, 0});
}

}  // namespace

TaskStream small_stream(Scenario scenario) {
  const auto images = small_images();
  TaskStream stream;
  stream.name = "contract";
  stream.scenario = scenario;
  stream.classes = kClasses;
  stream.features = kSide * kSide;
  int64_t next_id = 0;
  for (int64_t t = 0; t < kTasks; ++t) {
    Task task;
    task.name = fmt::format("task {}", t + 1);
    task.metric = {"accuracy", "fraction", true};
    task.classes = {2 * t, 2 * t + 1};
    ImageView view;
    for (int64_t c = 0; c < kClasses; ++c) view.class_of.push_back(c);
    view.classes = kClasses;
    if (scenario == Scenario::task_incremental) view.active = task.classes;
    std::vector<std::vector<int64_t>> splits(3);
    for (int64_t i = 0, seen = 0; i < images->size(); ++i) {
      if (images->labels[static_cast<size_t>(i)] / 2 != t) continue;
      splits[seen < kRows ? 0 : 1 + static_cast<size_t>(seen % 2)].push_back(i);
      ++seen;
    }
    for (auto [rows, split] : {std::pair{&task.train, 0}, {&task.validation, 1}, {&task.test, 2}}) {
      *rows =
          std::make_shared<ImageRows>(next_id, images, view, splits[static_cast<size_t>(split)]);
      next_id += (*rows)->size();
    }
    stream.tasks.push_back(std::move(task));
  }
  return stream;
}

std::unique_ptr<Model> small_model(double scale) {
  ModelShape shape;
  shape.features = kSide * kSide;
  shape.classes = kClasses;
  const OptionMap options = widened("mlp", {{"width", "12"}, {"layers", "2"}}, scale);
  return model_entry("mlp").make(options, shape, make_generator(seed_for(1, "init")));
}

TaskStream small_text_stream() {
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  TaskStream stream;
  stream.name = "contract text";
  stream.scenario = Scenario::domain_incremental;
  stream.longest = kLongest;
  int64_t next_id = 0;
  for (int64_t t = 0; t < kTasks; ++t) {
    Task task;
    task.name = fmt::format("letter {}", t + 1);
    task.metric = {"exact_match", "fraction", true};
    for (RowsPtr* rows : {&task.train, &task.validation, &task.test}) {
      *rows = letter_rows(tokenizer, t, rows == &task.train ? kRows : 8, next_id);
      next_id += (*rows)->size();
    }
    stream.tasks.push_back(std::move(task));
  }
  return stream;
}

std::unique_ptr<Model> small_text_model(double scale) {
  ModelShape shape;
  shape.vocabulary = WordTokenizer({}).vocabulary_size();
  shape.longest = kLongest;
  const OptionMap options = widened("decoder",
                                    {{"width", "8"},
                                     {"layers", "1"},
                                     {"heads", "2"},
                                     {"max_length", std::to_string(kLongest + kVirtual)}},
                                    scale);
  return model_entry("decoder").make(options, shape, make_generator(seed_for(1, "init")));
}

namespace {

bool equal(const StoredTensor& a, const StoredTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::memcmp(a.data, b.data, a.bytes) == 0;
}

auto fields(const Evaluation& e) {
  return std::tuple(e.after_task, e.step, e.within_task, e.on_task, e.task, e.metric.name,
                    e.correct, e.total, e.sum);
}
auto fields(const CurvePoint& p) {
  return std::tuple(p.task, p.step, p.loss, p.penalty, p.learning_rate, p.gradient_norm);
}
auto fields(const Sample& s) {
  return std::tuple(s.after_task, s.on_task, s.row, s.prompt, s.expected, s.generated);
}

template <class Row>
bool equal(const std::vector<Row>& a, const std::vector<Row>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Row& x, const Row& y) { return fields(x) == fields(y); });
}

}  // namespace

std::vector<std::string> state_differences(const std::string& a, const std::string& b) {
  const SafetensorsFile first(a), second(b);
  std::vector<std::string> differences;
  for (const auto& [name, tensor] : first.tensors()) {
    if (name == "results") continue;
    const auto other = second.tensors().find(name);
    if (other == second.tensors().end() || !equal(tensor, other->second)) {
      differences.push_back(name);
    }
  }
  for (const auto& [name, tensor] : second.tensors()) {
    if (first.tensors().count(name) == 0) differences.push_back(name);
  }
  return differences;
}

std::vector<std::string> row_differences(const TrialResult& a, const TrialResult& b) {
  std::vector<std::string> differences;
  if (!equal(a.evaluations, b.evaluations)) differences.emplace_back("scores");
  if (!equal(a.curve, b.curve)) differences.emplace_back("curve");
  if (!equal(a.samples, b.samples)) differences.emplace_back("samples");
  return differences;
}

}  // namespace lethe
