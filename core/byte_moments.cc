#include "core/byte_moments.h"

#include <algorithm>

#include "core/kernels/adam8.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/counts.h"
#include "core/update.h"

namespace lethe {
namespace {

/// Values whose moments are in float32 at a time: two arrays of them stay in the first-level cache.
constexpr int64_t kAtOnce = 8 * kernels::kAdam8Block;

}  // namespace

ByteMoments::Kept ByteMoments::zero(const ArenaRange& range) {
  const MemoryTag tag(Category::optimizer);
  Kept made;
  if (range.size < kernels::kAdam8Least) {
    const int64_t room = kernels::rounded_up(range.size, Arena::kUnit);
    made.first = at::zeros({room}, at::kFloat);
    made.second = at::zeros({room}, at::kFloat);
    return made;
  }
  const int64_t blocks =
      kernels::rounded_up(range.size, kernels::kAdam8Block) / kernels::kAdam8Block;
  made.first = at::empty({range.size}, at::kByte);
  made.second = at::empty({range.size}, at::kByte);
  made.first_absmax = at::empty({blocks}, at::kFloat);
  made.second_absmax = at::empty({blocks}, at::kFloat);
  kernels::Adam8Step state;
  state.n = range.size;
  state.first = made.first.data_ptr<uint8_t>();
  state.second = made.second.data_ptr<uint8_t>();
  state.first_absmax = made.first_absmax.data_ptr<float>();
  state.second_absmax = made.second_absmax.data_ptr<float>();
  kernels::clear_moments(state);
  return made;
}

void ByteMoments::lay_out(const Arena& arena, bool clear) {
  std::map<std::string, Kept> before = std::move(moments_);
  moments_.clear();
  for (const ArenaRange& range : arena.ranges()) {
    const auto known = before.find(range.name);
    const bool carried = !clear && known != before.end() &&
                         (!known->second.in_bytes() || known->second.first.numel() == range.size);
    moments_[range.name] = carried ? std::move(known->second) : zero(range);
  }
}

double ByteMoments::update(const ArenaRange& range, const kernels::Update& step) {
  Kept& kept = moments_.at(range.name);
  kernels::Update whole = step;
  whole.first = whole.second = nullptr;
  if (!kept.in_bytes()) {
    whole.first = kept.first.data_ptr<float>();
    whole.second = kept.second.data_ptr<float>();
    return kernels::update(whole);
  }
  const kernels::ByteMap &signs = kernels::signed_dynamic_map(),
                         &sizes = kernels::unsigned_dynamic_map();
  alignas(64) float first[kAtOnce], second[kAtOnce];
  double penalty = 0;
  for (int64_t start = 0; start < step.n; start += kAtOnce) {
    const int64_t n = std::min(kAtOnce, step.n - start), block = start / kernels::kAdam8Block;
    uint8_t* const first_codes = kept.first.data_ptr<uint8_t>() + start;
    uint8_t* const second_codes = kept.second.data_ptr<uint8_t>() + start;
    float* const first_absmax = kept.first_absmax.data_ptr<float>() + block;
    float* const second_absmax = kept.second_absmax.data_ptr<float>() + block;
    kernels::dequantize_8bit(signs, first_codes, first_absmax, n, kernels::kAdam8Block, first);
    kernels::dequantize_8bit(sizes, second_codes, second_absmax, n, kernels::kAdam8Block, second);
    kernels::Update part = part_of(whole, start, n);
    part.first = first;
    part.second = second;
    penalty += kernels::update(part);
    kernels::quantize_8bit(signs, first, n, kernels::kAdam8Block, first_codes, first_absmax);
    kernels::quantize_8bit(sizes, second, n, kernels::kAdam8Block, second_codes, second_absmax);
  }
  return penalty;
}

double ByteMoments::update(const Arena& arena, const kernels::Update& step) {
  double penalty = 0;
  for (const ArenaRange& range : arena.ranges()) {
    penalty += update(range, part_of(step, range.offset, range.size));
  }
  return penalty;
}

void ByteMoments::state(Archive& archive) {
  const MemoryTag tag(Category::optimizer);
  for (auto& [name, kept] : moments_) {
    archive(name + ".first", kept.first);
    archive(name + ".second", kept.second);
    if (!kept.in_bytes()) continue;
    archive(name + ".first_absmax", kept.first_absmax);
    archive(name + ".second_absmax", kept.second_absmax);
  }
}

}  // namespace lethe
