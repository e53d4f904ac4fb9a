#include "core/row_gradients.h"

#include <algorithm>

namespace lethe {
namespace {

using Kind = Capture::Kind;

constexpr double kTolerance = 1e-3;      // of a parameter's largest gradient
constexpr double kBf16Tolerance = 8e-3;  // where autograd's is rounded to bfloat16
// Of the row's largest gradient: what cancels to 0, such as that of the keys' bias, is rounding
// alone.
constexpr double kRounding = 1e-6;
constexpr int64_t kValuesAtOnce = 4 << 20;  // float32: 16 MiB

/// Where each predicted position stands when every row has room for the longest row's positions.
Tensor padded_slots(const Batch& batch, int64_t& longest) {
  if (!batch.row_of.defined()) return {};
  const Tensor row_of = batch.row_of.cpu();
  const auto* row = row_of.data_ptr<int64_t>();
  std::vector<int64_t> place(static_cast<size_t>(row_of.numel()));
  std::vector<int64_t> seen(static_cast<size_t>(batch.rows()), 0);
  for (size_t p = 0; p < place.size(); ++p) place[p] = seen[static_cast<size_t>(row[p])]++;
  longest = *std::max_element(seen.begin(), seen.end());
  for (size_t p = 0; p < place.size(); ++p) place[p] += row[p] * longest;
  return at::tensor(place, at::kLong).to(batch.row_of.device());
}

/// Positions of a row in values whose first dimension is the rows, or the predicted positions
/// (`predicted`, -1 = one a row); -1 where rows can't be told apart.
int64_t positions_in(const Tensor& values, int64_t rows, int64_t predicted, int64_t longest) {
  const bool by_rows = values.dim() >= 2 && values.size(0) == rows;
  if (values.dim() >= 3) return by_rows ? values.numel() / rows / values.size(-1) : -1;
  if (values.dim() != 2) return -1;
  if (values.scalar_type() == at::kLong) return by_rows ? values.size(1) : -1;
  if (predicted < 0) return by_rows ? 1 : -1;
  return values.size(0) == predicted ? longest : -1;
}

}  // namespace

RowGradients::RowGradients(Model& model, const Arena& arena, const Batch& batch, RowMeasure measure,
                           SampleUnit unit)
    : arena_(arena),
      measure_(measure),
      unit_(unit),
      rows_(batch.rows()),
      slot_(padded_slots(batch, longest_)),
      capture_(model, batch),
      complete_(collect()) {}

void RowGradients::use(const Tensor& parameter, Use use) {
  const ArenaRange* range = parameter.defined() ? arena_.range_of(parameter) : nullptr;
  if (range == nullptr) return;
  const auto known = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& one) { return one.range == range; });
  Parameter& found = known == parameters_.end() ? parameters_.emplace_back() : *known;
  found.range = range;
  found.uses.push_back(use);
}

/// False where a site's rows can't be told apart.
bool RowGradients::collect() {
  const int64_t predicted = slot_.defined() ? slot_.size(0) : -1;
  std::vector<int64_t> positions;  // by site
  for (size_t s = 0; s < capture_.sites().size(); ++s) {
    const Capture::Site& site = capture_.sites()[s];
    Tensor weight = site.weight, bias = site.bias;
    if (site.seam != nullptr) {
      site.seam->parameters([&](const std::string& name, Tensor& value) {
        if (name == site.seam->name() + ".weight") weight = value;
        if (name == site.seam->name() + ".bias") bias = value;
      });
    }
    use(weight, {Use::What::weight, s});
    use(bias, {Use::What::bias, s});
    positions.push_back(positions_in(site.output, rows_, predicted, longest_));
    const bool input = site.input.defined();
    if (input && positions_in(site.input, rows_, predicted, longest_) < 0) return false;
    if (positions.back() < 0) return false;
    inputs_.push_back(input ? by_row(site.input) : Tensor());
  }
  for (Parameter& parameter : parameters_) {
    const bool once = parameter.uses.size() == 1 && positions[parameter.uses[0].site] == 1;
    parameter.apart = unit_ == SampleUnit::position || once;
    parameter.summed.resize(parameter.uses.size());
  }
  return true;
}

/// (rows, T, ...) of values that positions_in() knows; ids (rows, T) stay as they are.
Tensor RowGradients::by_row(const Tensor& values) const {
  if (values.dim() >= 3) return values.flatten(1, -2);
  if (values.scalar_type() == at::kLong) return values;
  if (!slot_.defined()) return values.unsqueeze(1);
  const Tensor padded = at::zeros({rows_ * longest_, values.size(1)}, values.options());
  return padded.index_copy_(0, slot_, values).view({rows_, longest_, values.size(1)});
}

Tensor RowGradients::measured(const Tensor& values) const {
  return measure_ == RowMeasure::square ? values.square() : values.abs();
}

void RowGradients::add(const Tensor& cotangent, const Tensor& total) {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> deltas;
  for (const Tensor& gradient : capture_.output_gradients(cotangent)) {
    deltas.push_back(gradient.defined() ? by_row(gradient) : gradient);
  }
  for (Parameter& parameter : parameters_) {
    if (!parameter.apart) {
      add_whole(parameter, deltas, total);
      continue;
    }
    for (size_t u = 0; u < parameter.uses.size(); ++u) {
      const Tensor& delta = deltas[parameter.uses[u].site];
      if (!delta.defined()) continue;
      Tensor& summed = parameter.summed[u];
      if (!summed.defined()) {
        summed = measured(delta);
      } else if (measure_ == RowMeasure::square) {
        summed.addcmul_(delta, delta);
      } else {
        summed.add_(delta.abs());
      }
    }
  }
}

void RowGradients::finish(const Tensor& total) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters_) {
    for (size_t u = 0; u < parameter.uses.size(); ++u) {
      if (!parameter.summed[u].defined()) continue;
      add_apart(parameter, parameter.uses[u], parameter.summed[u], total);
    }
  }
}

/// `delta` holds measured output gradients; a product's measure is the product of measures.
void RowGradients::add_apart(const Parameter& parameter, const Use& use, const Tensor& delta,
                             const Tensor& total) const {
  const Tensor target = arena_.slice(total, *parameter.range);
  const Tensor flat = delta.reshape({-1, delta.size(-1)});
  const Kind kind = capture_.sites()[use.site].kind;
  const Tensor& input = inputs_[use.site];
  if (use.what == Use::What::bias) {
    target.add_(flat.sum(0).view_as(target));
  } else if (kind == Kind::product) {
    target.addmm_(flat.t(), measured(input).reshape({-1, input.size(-1)}));
  } else if (kind == Kind::gain) {
    target.add_((flat * measured(input).reshape_as(flat)).sum(0).view_as(target));
  } else if (kind == Kind::lookup) {
    target.index_add_(0, input.reshape(-1), flat);
  } else {
    target.add_(delta.sum(0));
  }
}

void RowGradients::add_whole(const Parameter& parameter, const std::vector<Tensor>& deltas,
                             const Tensor& total) {
  const auto looks_up = [&](const Use& use) {
    return capture_.sites()[use.site].kind == Kind::lookup && use.what == Use::What::weight;
  };
  if (parameter.uses.size() == 1 && looks_up(parameter.uses[0])) {
    return add_looked_up(parameter, deltas[parameter.uses[0].site], total);
  }
  const int64_t size = parameter.range->size;
  const int64_t at_once = std::max<int64_t>(1, kValuesAtOnce / size);
  for (int64_t from = 0; from < rows_; from += at_once) {
    const int64_t count = std::min(at_once, rows_ - from);
    const Tensor rows = row_sums(parameter, deltas, from, count);
    total.narrow(0, parameter.range->offset, size).add_(measured(rows).sum(0));
  }
}

/// The gradients (count, size) of rows [from, from + count), summed over the parameter's uses.
Tensor RowGradients::row_sums(const Parameter& parameter, const std::vector<Tensor>& deltas,
                              int64_t from, int64_t count) const {
  Tensor rows = at::zeros({count, parameter.range->size}, floats());
  for (const Use& use : parameter.uses) {
    if (deltas[use.site].defined()) {
      add_use(parameter, use, deltas[use.site].narrow(0, from, count), from, rows);
    }
  }
  return rows;
}

void RowGradients::add_use(const Parameter& parameter, const Use& use, const Tensor& delta,
                           int64_t from, const Tensor& rows) const {
  const int64_t count = rows.size(0);
  const Kind kind = capture_.sites()[use.site].kind;
  if (use.what == Use::What::bias) {
    rows.add_(delta.sum(1));
    return;
  }
  if (kind == Kind::rows) {
    rows.add_(delta.reshape_as(rows));
    return;
  }
  const Tensor input = inputs_[use.site].narrow(0, from, count);
  if (kind == Kind::gain) {
    rows.add_((delta * input).sum(1));
  } else if (kind == Kind::product) {
    rows.view({count, delta.size(2), input.size(2)}).baddbmm_(delta.transpose(1, 2), input);
  } else {
    const int64_t table = parameter.range->parameter.size(0);
    const Tensor first = at::arange(count, input.options()).mul_(table).unsqueeze(1);
    rows.view({count * table, delta.size(2)})
        .index_add_(0, (input + first).view(-1), delta.reshape({-1, delta.size(2)}));
  }
}

/// Only the table's rows that a row of the batch looks up: sums by (row, id), found by sorting.
void RowGradients::add_looked_up(const Parameter& parameter, const Tensor& delta,
                                 const Tensor& total) {
  if (!delta.defined()) return;
  const Tensor& ids = inputs_[parameter.uses[0].site];
  const int64_t table = parameter.range->parameter.size(0);
  const Tensor row = at::arange(rows_, ids.options()).mul_(table).unsqueeze(1);
  const auto [keys, order] = (ids + row).view(-1).sort();
  const Tensor starts = at::ones_like(keys);  // 1 where another key begins
  if (keys.numel() > 1) {
    starts.narrow(0, 1, keys.numel() - 1)
        .copy_(keys.narrow(0, 1, keys.numel() - 1).ne(keys.narrow(0, 0, keys.numel() - 1)));
  }
  const Tensor group = starts.cumsum(0).sub_(1);
  const int64_t groups = group[-1].item<int64_t>() + 1;
  const Tensor sums = at::zeros({groups, delta.size(2)}, delta.options());
  sums.index_add_(0, group, delta.reshape({-1, delta.size(2)}).index_select(0, order));
  const Tensor id_of =
      at::zeros({groups}, keys.options()).index_copy_(0, group, keys).remainder(table);
  arena_.slice(total, *parameter.range).index_add_(0, id_of, measured(sums));
}

/// Whether the gradients that the uses give to each row of the batch are autograd's.
bool RowGradients::agrees(const Batch& batch) const {
  std::vector<Tensor> values;
  for (const ArenaRange& range : arena_.ranges()) values.push_back(range.parameter);
  // Any cotangent does; logits beside ones leave no unit out.
  const Tensor cotangent = at::ones_like(logits().detach()) + logits().detach();
  std::vector<Tensor> deltas;
  for (const Tensor& gradient : capture_.output_gradients(cotangent)) {
    deltas.push_back(gradient.defined() ? by_row(gradient) : gradient);
  }
  for (int64_t row = 0; row < rows_; ++row) {
    const Tensor own = batch.row_of.defined() ? batch.row_of.eq(row)
                                              : at::arange(rows_, batch.targets.options()).eq(row);
    const auto expected =
        torch::autograd::grad({logits()}, values, {cotangent * own.unsqueeze(1)},
                              /*retain_graph=*/true, /*create_graph=*/false, /*allow_unused=*/true);
    double largest = 0;
    for (const Tensor& one : expected) {
      if (one.defined()) largest = std::max(largest, one.abs().max().item<double>());
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (!agrees(arena_.ranges()[i], deltas, row, expected[i], kRounding * largest)) return false;
    }
  }
  return true;
}

bool RowGradients::agrees(const ArenaRange& range, const std::vector<Tensor>& deltas, int64_t row,
                          const Tensor& expected, double rounding) const {
  const auto known = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& one) { return one.range == &range; });
  const Tensor found = known == parameters_.end() ? at::zeros({range.size}, floats())
                                                  : row_sums(*known, deltas, row, 1).view(-1);
  if (!expected.defined()) return found.abs().max().item<double>() == 0;
  const Tensor flat = expected.reshape(-1);
  const double largest = flat.abs().max().item<double>();
  const bool halved = flat.scalar_type() == at::kBFloat16;
  return (found - flat).abs().max().item<double>() <=
         std::max((halved ? kBf16Tolerance : kTolerance) * largest, rounding);
}

bool RowGradients::covers(Model& model, const Arena& arena, const Batch& probe) {
  // Rows are told apart by the inputs of one text each.
  if (probe.decoder_inputs.defined() || probe.token_types.defined() || probe.packed()) return false;
  const RowGradients probed(model, arena, probe, RowMeasure::square);
  const at::NoGradGuard no_grad;
  return probed.complete_ && probed.agrees(probe);
}

}  // namespace lethe
