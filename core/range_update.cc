#include "core/range_update.h"

#include <algorithm>

#include "core/cuda_layers.h"
#include "core/kernels/bf16_round.h"
#include "core/memory.h"
#include "core/update.h"

namespace lethe {
namespace {

/// Values in float32 at a time on the CPU: two arrays of them stay in the second-level cache.
constexpr int64_t kHere = 8 * Moments::kPiece;

/// MurmurHash3's last step on 32-bit words in 64 bits.
Tensor mixed_bits(const Tensor& words) {
  constexpr int64_t kWord = 0xffffffff;
  Tensor x = words.bitwise_and(kWord);
  x = x.bitwise_xor(x.bitwise_right_shift(16));
  x = (x * 0x85ebca6b).bitwise_and(kWord);
  x = x.bitwise_xor(x.bitwise_right_shift(13));
  x = (x * 0xc2b2ae35).bitwise_and(kWord);
  return x.bitwise_xor(x.bitwise_right_shift(16));
}

}  // namespace

void round_at_random(const Tensor& value, uint64_t key, int64_t first, const Tensor& to) {
  if (value.is_cpu()) {
    kernels::round_at_random(value.const_data_ptr<float>(), value.numel(), key,
                             static_cast<uint64_t>(first),
                             reinterpret_cast<uint16_t*>(to.mutable_data_ptr<c10::BFloat16>()));
    return;
  }
  if (value.is_cuda()) {
    cuda_round_at_random(value.device().index(), value.const_data_ptr<float>(), value.numel(), key,
                         static_cast<uint64_t>(first),
                         reinterpret_cast<uint16_t*>(to.mutable_data_ptr<c10::BFloat16>()));
    return;
  }
  const auto low = static_cast<int64_t>(key & 0xffffffff), high = static_cast<int64_t>(key >> 32);
  const Tensor index = at::arange(first, first + value.numel(), value.options().dtype(at::kLong));
  const Tensor once = mixed_bits(index.bitwise_xor(low));
  const Tensor noise = mixed_bits(once + high).bitwise_right_shift(16).to(at::kInt);
  const Tensor bits = value.contiguous().view(at::kInt);
  const Tensor moved = at::where(value.isfinite(), bits + noise, bits);
  to.copy_(moved.bitwise_and(static_cast<int64_t>(-65536)).view(at::kFloat));
}

double RangeUpdate::in_pieces(const ArenaRange& range, const Tensor& gradient,
                              const kernels::Update& part, const Piece& use) const {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::workspace);
  const int64_t at_once = device_.is_cpu() ? kHere : Moments::kThere;
  double sum = 0;
  for (int64_t from = 0; from < range.size; from += at_once) {
    const int64_t n = std::min(at_once, range.size - from);
    const Tensor wide = gradient.narrow(0, from, n).to(at::kFloat);
    const Tensor value = arena_.values().narrow(0, range.offset + from, n).to(at::kFloat);
    kernels::Update piece = part_of(part, from, n);
    piece.gradient = wide.mutable_data_ptr<float>();
    piece.value = value.mutable_data_ptr<float>();
    sum += use(from, value, piece);
  }
  return sum;
}

void RangeUpdate::round(const Tensor& value, int64_t first) const {
  const Tensor shown = arena_.shown().narrow(0, first, value.numel());
  if (arena_.store() == ValueStore::bf16) {
    round_at_random(value, noise_, first, shown);
  } else {
    shown.copy_(value);
  }
}

double RangeUpdate::move(const ArenaRange& range, const Tensor& gradient,
                         const kernels::Update& part) const {
  const auto moved = [&](int64_t from, const kernels::Update& piece) {
    return moments_ != nullptr ? moments_->update(range, from, piece) : update_on(device_, piece);
  };
  if (whole()) {
    kernels::Update all = part;
    all.gradient = gradient.mutable_data_ptr<float>();
    return moved(0, all);
  }
  const auto move_piece = [&](int64_t from, const Tensor& value, const kernels::Update& piece) {
    const double penalty = moved(from, piece);
    round(value, range.offset + from);
    return penalty;
  };
  const double penalty = in_pieces(range, gradient, part, move_piece);
  if (part.zero_gradient) gradient.zero_();
  return penalty;
}

double RangeUpdate::squared_norm(const ArenaRange& range, const Tensor& gradient,
                                 const kernels::Update& part) const {
  if (whole()) {
    kernels::Update all = part;
    all.gradient = gradient.mutable_data_ptr<float>();
    return squared_norm_on(device_, all);
  }
  return in_pieces(range, gradient, part,
                   [&](int64_t, const Tensor&, const kernels::Update& piece) {
                     return squared_norm_on(device_, piece);
                   });
}

double RangeUpdate::over_ranges(
    const kernels::Update& step,
    const std::function<double(const ArenaRange& range, const Tensor& gradient,
                               const kernels::Update& part)>& use) const {
  double sum = 0;
  for (const ArenaRange& range : arena_.ranges()) {
    sum += use(range, arena_.gradient().narrow(0, range.offset, range.size),
               part_of(step, range.offset, range.size));
  }
  return sum;
}

double RangeUpdate::move(const kernels::Update& step) const {
  if (whole()) {
    return moments_ != nullptr ? moments_->update(arena_, step) : update_on(device_, step);
  }
  return over_ranges(step, [this](const auto& range, const auto& gradient, const auto& part) {
    return move(range, gradient, part);
  });
}

double RangeUpdate::squared_norm(const kernels::Update& step) const {
  if (whole()) return squared_norm_on(device_, step);
  return over_ranges(step, [this](const auto& range, const auto& gradient, const auto& part) {
    return squared_norm(range, gradient, part);
  });
}

}  // namespace lethe
