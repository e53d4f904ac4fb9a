#include "core/pack.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace lethe {
namespace {

using Integers = std::vector<int64_t>;

Integers values(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

/// Input tokens of each row.
Integers lengths_of(const Batch& batch) {
  if (batch.mask.defined()) return values(batch.mask.sum(1));
  return Integers(static_cast<size_t>(batch.inputs.size(0)), batch.inputs.size(1));
}

/// Where each row stands.
struct Layout {
  Integers sequence, start;
  Integers used;  ///< tokens by sequence
};

Layout first_fit(const Integers& lengths, int64_t length) {
  Integers order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
  Layout layout{Integers(lengths.size()), Integers(lengths.size()), {}};
  for (const int64_t row : order) {
    const auto r = static_cast<size_t>(row);
    const auto room = std::find_if(layout.used.begin(), layout.used.end(),
                                   [&](int64_t used) { return used + lengths[r] <= length; });
    layout.sequence[r] = room - layout.used.begin();
    if (room == layout.used.end()) layout.used.push_back(0);
    int64_t& used = layout.used[static_cast<size_t>(layout.sequence[r])];
    layout.start[r] = used;
    used += lengths[r];
  }
  return layout;
}

}  // namespace

Batch packed(const Batch& batch, int64_t length) {
  if (!batch.positions.defined()) fail("only rows of text can be packed; set train.pack = 0");
  if (batch.packed()) return batch;
  const Integers lengths = lengths_of(batch);
  const Layout layout = first_fit(lengths, length);
  const auto sequences = static_cast<int64_t>(layout.used.size());
  if (sequences == batch.inputs.size(0)) return batch;
  const int64_t before = batch.inputs.size(1);
  const int64_t width = *std::max_element(layout.used.begin(), layout.used.end());
  Batch whole = batch;
  const auto options = batch.inputs.options();
  whole.inputs = at::zeros({sequences, width}, options);
  whole.segments = at::full({sequences, width}, -1, options);
  whole.position_ids = at::zeros({sequences, width}, options);
  for (size_t r = 0; r < lengths.size(); ++r) {
    const auto row = static_cast<int64_t>(r);
    const auto place = [&](Tensor& into) {
      return into.select(0, layout.sequence[r]).narrow(0, layout.start[r], lengths[r]);
    };
    place(whole.inputs).copy_(batch.inputs.select(0, row).narrow(0, 0, lengths[r]));
    place(whole.segments).fill_(row);
    place(whole.position_ids).copy_(at::arange(lengths[r], options));
  }
  whole.mask = whole.segments.ge(0);
  Integers positions = values(batch.positions);
  for (int64_t& position : positions) {
    const auto row = static_cast<size_t>(position / before);
    position = layout.sequence[row] * width + layout.start[row] + position % before;
  }
  whole.positions = at::tensor(positions, at::kLong);
  return whole;
}

Tensor segment_mask(const Tensor& segments) {
  const int64_t length = segments.size(1);
  const Tensor same = segments.unsqueeze(2).eq(segments.unsqueeze(1));  // (S, Tq, Tk)
  const Tensor later =
      at::ones({length, length}, segments.options().dtype(at::kBool)).triu(1).logical_not();
  return same.logical_and(later).unsqueeze(1);
}

}  // namespace lethe
