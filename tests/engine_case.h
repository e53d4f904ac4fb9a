// Small streams and models in memory for tests of the engine. Include tests/catch.h first.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/models/models.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/text/text_rows.h"
#include "core/train.h"
#include "methods/methods.h"

namespace lethe {

/// On models this small, threads only wait for each other.
inline const bool kOneThread = (at::set_num_threads(1), true);

/// Rows given as vectors and labels; `active` as in Batch, empty for all.
class VectorRows : public Rows {
 public:
  VectorRows(int64_t first_id, std::vector<std::vector<float>> inputs, std::vector<int64_t> labels,
             std::vector<int64_t> active = {}, int64_t classes = 0)
      : Rows(first_id),
        inputs_(std::move(inputs)),
        labels_(std::move(labels)),
        active_(std::move(active)),
        classes_(classes) {}

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  uint64_t fingerprint(int64_t index) const override {
    return static_cast<uint64_t>(first_id() + index);
  }
  Batch batch(const std::vector<int64_t>& indices) const override {
    std::vector<Tensor> rows;
    std::vector<int64_t> targets, ids;
    for (const int64_t i : indices) {
      rows.push_back(at::tensor(inputs_[static_cast<size_t>(i)]));
      targets.push_back(labels_[static_cast<size_t>(i)]);
      ids.push_back(first_id() + i);
    }
    Batch batch;
    batch.inputs = at::stack(rows);
    batch.targets = at::tensor(targets);
    batch.row_ids = at::tensor(ids);
    if (!active_.empty()) {
      batch.active = at::zeros({batch.rows(), classes_}, at::kBool);
      for (const int64_t c : active_) batch.active.select(1, c).fill_(true);
    }
    return batch;
  }

 private:
  std::vector<std::vector<float>> inputs_;
  std::vector<int64_t> labels_, active_;
  int64_t classes_;
};

inline Task vector_task(const std::string& name, const RowsPtr& rows,
                        std::vector<int64_t> classes) {
  return {name, {"accuracy", "fraction", true}, rows, rows, rows, std::move(classes)};
}

/// `rows` random vectors of `features` values, labels drawn from `classes`; a label moves its mean.
inline RowsPtr random_rows(uint64_t seed, int64_t rows, int64_t features,
                           const std::vector<int64_t>& classes, bool masked = false,
                           int64_t units = 0) {
  Random random(seed);
  std::vector<std::vector<float>> inputs;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows; ++i) {
    labels.push_back(classes[static_cast<size_t>(i) % classes.size()]);
    inputs.emplace_back();
    for (int64_t f = 0; f < features; ++f) {
      const double shift = f == labels.back() % features ? 1.5 : 0;
      inputs.back().push_back(static_cast<float>(random.normal() + shift));
    }
  }
  return std::make_shared<VectorRows>(static_cast<int64_t>(seed) * 100000, std::move(inputs),
                                      std::move(labels), masked ? classes : std::vector<int64_t>{},
                                      units);
}

/// `tasks` tasks of two classes each over 6 features.
inline TaskStream random_stream(Scenario scenario, int64_t tasks, int64_t rows = 64) {
  TaskStream stream;
  stream.name = "random";
  stream.scenario = scenario;
  stream.features = 6;
  stream.classes = 2 * tasks;
  for (int64_t t = 0; t < tasks; ++t) {
    const std::vector<int64_t> classes = {2 * t, 2 * t + 1};
    stream.tasks.push_back(
        vector_task("task" + std::to_string(t + 1),
                    random_rows(static_cast<uint64_t>(t) + 1, rows, 6, classes,
                                scenario == Scenario::task_incremental, stream.classes),
                    classes));
  }
  return stream;
}

/// z = W x, without bias.
class OneLayer : public Model {
 public:
  explicit OneLayer(Tensor weight) : layer_("classifier", std::move(weight), {}, SeamKind::head) {}
  Tensor forward(const Batch& batch) override { return layer_.forward(batch.inputs); }
  std::vector<Seam*> seams() override { return {&layer_}; }

 private:
  Linear layer_;
};

inline std::unique_ptr<Model> mlp(int64_t features, int64_t width, int64_t layers, int64_t classes,
                                  uint64_t seed = 7) {
  ModelShape shape;
  shape.features = features;
  shape.classes = classes;
  return model_entry("mlp").make(
      {{"width", std::to_string(width)}, {"layers", std::to_string(layers)}}, shape,
      make_generator(seed));
}

/// A request for a few steps on the CPU; what differs is set by the caller.
inline TrainRequest small_request(Model& model, TaskStream& stream, Method& method) {
  TrainRequest request{model, stream, method, {}, 1, at::kCPU, {}, {}, nullptr, {}, 0};
  request.options.steps = 6;
  request.options.batch = 16;
  request.options.lr = 0.01;
  request.options.log_every = 1;
  return request;
}

inline Method method_of(const std::string& text, const OptionMap& options = {}) {
  return make_method(builtin_methods(), parse_method(builtin_methods(), text, options).parts);
}

}  // namespace lethe
