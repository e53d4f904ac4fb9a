// Models so small that importances and losses are worked out by hand. Include tests/catch.h first.
#pragma once

#include <cmath>

#include "tests/engine_case.h"

namespace lethe {

/// The toy classifier z = w x: w = (.5, -.5); its rows x = (1, 2, -1), y = (0, 1, 1).
inline std::unique_ptr<Model> toy_model() {
  return std::make_unique<OneLayer>(at::tensor({0.5F, -0.5F}).view({2, 1}));
}
inline RowsPtr toy_rows() {
  return std::make_shared<VectorRows>(0, std::vector<std::vector<float>>{{1}, {2}, {-1}},
                                      std::vector<int64_t>{0, 1, 1});
}

/// Two classes with logits (z - z, 0) where z = w x and the second z counts as a constant: both are
/// as likely at any w, and a row x gives the exact Fisher x^2 / 4.
class EvenOdds : public Model {
 public:
  explicit EvenOdds(int64_t weights)
      : layer_("classifier", at::zeros({1, weights}), {}, SeamKind::head) {}
  Tensor forward(const Batch& batch) override {
    const Tensor z = layer_.forward(batch.inputs);
    return at::cat({z - z.detach(), at::zeros_like(z)}, 1);
  }
  std::vector<Seam*> seams() override { return {&layer_}; }

 private:
  Linear layer_;
};

/// The one row for which EvenOdds has the exact Fisher `fisher`.
inline VectorRows row_with_fisher(const std::vector<double>& fisher) {
  std::vector<float> x;
  for (const double f : fisher) x.push_back(static_cast<float>(2 * std::sqrt(f)));
  return VectorRows(0, {x}, {0});
}

/// `tasks` tasks with the same rows and classes 0 to `classes` - 1.
inline TaskStream same_rows_stream(const RowsPtr& rows, int64_t classes, int64_t tasks = 4) {
  TaskStream stream;
  stream.name = "same";
  stream.classes = classes;
  std::vector<int64_t> all;
  for (int64_t c = 0; c < classes; ++c) all.push_back(c);
  for (int64_t t = 1; t <= tasks; ++t) {
    stream.tasks.push_back(vector_task("task" + std::to_string(t), rows, all));
  }
  return stream;
}

}  // namespace lethe
