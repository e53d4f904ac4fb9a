// Sums over rows of what each row's own gradient is, squared or absolute, without one backward pass
// a row: from one forward and backward pass of a batch, at every place where a parameter is used.
#pragma once

#include <vector>

#include "core/capture.h"

namespace lethe {

/// What is summed of a row's gradient g, value by value.
enum class RowMeasure { square, absolute };

/// What counts as one sample of a token row: the whole row, whose gradient is summed over its
/// positions first, or every position that a parameter meets by itself (classifiers: the same).
enum class SampleUnit { row, position };

/// A row's gradient of a Linear's weight is Delta^T A, with its output gradients Delta (T, out) and
/// its inputs A (T, in) over T positions. Where a parameter is used once and T = 1, or positions
/// count by themselves, the sum over rows needs one product: (Delta^2)^T (A^2). Otherwise the
/// products are made for as many rows at once as 16 MiB hold (one at least), and a parameter's uses
/// are added before they are measured.
class RowGradients {
 public:
  /// One forward pass of a batch of a model and arena for which covers() is true.
  RowGradients(Model& model, const Arena& arena, const Batch& batch, RowMeasure measure,
               SampleUnit unit = SampleUnit::row);
  const Tensor& logits() const { return capture_.logits(); }  ///< (P, C), with a graph

  /// Adds the rows' measures of the gradient of the logits' inner product with `cotangent` (P, C)
  /// to `total` (n). What is cheaper in sum is added by finish().
  void add(const Tensor& cotangent, const Tensor& total);
  void finish(const Tensor& total);

  /// Whether every trained value is used only where it is recorded, so that this gives what one
  /// pass a row gives. Found out on `probe`, best two rows of different lengths: the gradients of
  /// its rows, summed by use, equal those of autograd to 1e-3 of the largest, but for rounding.
  /// Cost: two passes.
  static bool covers(Model& model, const Arena& arena, const Batch& probe);

 private:
  /// One use of a part of a site's parameters.
  struct Use {
    enum class What { weight, bias } what = What::weight;
    size_t site = 0;
  };
  struct Parameter {
    const ArenaRange* range = nullptr;
    std::vector<Use> uses;
    bool apart = false;          ///< its measure is a product of measures
    std::vector<Tensor> summed;  ///< of each use: measured output gradients, summed over add()
  };
  at::TensorOptions floats() const { return arena_.values().options().dtype(at::kFloat); }
  bool collect();
  bool agrees(const Batch& batch) const;
  bool agrees(const ArenaRange& range, const std::vector<Tensor>& deltas, int64_t row,
              const Tensor& expected, double rounding) const;
  void use(const Tensor& parameter, Use use);
  Tensor by_row(const Tensor& values) const;
  Tensor measured(const Tensor& values) const;
  void add_whole(const Parameter& parameter, const std::vector<Tensor>& deltas,
                 const Tensor& total);
  void add_looked_up(const Parameter& parameter, const Tensor& delta, const Tensor& total);
  void add_use(const Parameter& parameter, const Use& use, const Tensor& delta, int64_t from,
               const Tensor& rows) const;
  void add_apart(const Parameter& parameter, const Use& use, const Tensor& delta,
                 const Tensor& total) const;
  Tensor row_sums(const Parameter& parameter, const std::vector<Tensor>& deltas, int64_t from,
                  int64_t count) const;

  const Arena& arena_;
  RowMeasure measure_;
  SampleUnit unit_;
  int64_t rows_;
  int64_t longest_ = 0;  // predicted positions of a row, at most
  Tensor slot_;          // (P) of rows_ * longest_ padded positions; undefined: one a row
  Capture capture_;
  std::vector<Tensor> inputs_;  // by site: (rows, T, in), or ids (rows, T)
  std::vector<Parameter> parameters_;
  bool complete_;  // whether every recorded site can be told apart by rows
};

}  // namespace lethe
