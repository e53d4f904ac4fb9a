#include "core/byte_moments.h"

#include <algorithm>

#include "core/device_kernels.h"
#include "core/kernels/adam8.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/counts.h"
#include "core/update.h"

namespace lethe {
namespace {

/// Values whose moments are in float32 at a time on the CPU: two arrays of them stay in the
/// first-level cache.
constexpr int64_t kHere = 8 * kernels::kAdam8Block;
static_assert(Moments::kPiece % kernels::kAdam8Block == 0);

Tensor filled(int64_t n, int64_t value, at::ScalarType type, const at::Device& device) {
  return at::full({n}, value, at::TensorOptions(type).device(device));
}

/// Values [from, from + n) of a tensor where they are worked on: itself there, or a copy.
class Piece {
 public:
  Piece(const Tensor& whole, int64_t from, int64_t n, const at::Device& device)
      : whole_(whole.narrow(0, from, n)), here_(whole_.to(device)) {}
  template <class T>
  T* data() const {
    return here_.mutable_data_ptr<T>();
  }
  /// Writes a copy back.
  void keep() const {
    if (!here_.is_same(whole_)) whole_.copy_(here_);
  }

 private:
  Tensor whole_, here_;
};

/// A moment of n values from `from` on.
struct Bytes {
  Bytes(const kernels::ByteMap& of, const Tensor& codes, const Tensor& absmax, int64_t from,
        int64_t n, const at::Device& device)
      : map(of),
        device(device),
        n(n),
        codes(codes, from, n, device),
        absmax(absmax, from / kernels::kAdam8Block,
               kernels::rounded_up(n, kernels::kAdam8Block) / kernels::kAdam8Block, device) {}
  void read(float* to) const {
    dequantize_8bit_on(device, map, codes.data<uint8_t>(), absmax.data<float>(), n,
                       kernels::kAdam8Block, to);
  }
  void write(const float* from) const {
    quantize_8bit_on(device, map, from, n, kernels::kAdam8Block, codes.data<uint8_t>(),
                     absmax.data<float>());
    codes.keep();
    absmax.keep();
  }

  const kernels::ByteMap& map;
  at::Device device;
  int64_t n;
  Piece codes, absmax;
};

}  // namespace

ByteMoments::Kept ByteMoments::zero(const ArenaRange& range) const {
  const MemoryTag tag(Category::optimizer);
  const at::Device device = on_host_ ? at::Device(at::kCPU) : range.parameter.device();
  Kept made;
  if (range.size < kernels::kAdam8Least) {
    const int64_t room = kernels::rounded_up(range.size, Arena::kUnit);
    made.first = filled(room, 0, at::kFloat, device);
    made.second = filled(room, 0, at::kFloat, device);
    return made;
  }
  const int64_t blocks =
      kernels::rounded_up(range.size, kernels::kAdam8Block) / kernels::kAdam8Block;
  made.first = filled(range.size, kernels::signed_dynamic_map().code_of(0), at::kByte, device);
  made.second = filled(range.size, kernels::unsigned_dynamic_map().code_of(0), at::kByte, device);
  made.first_absmax = filled(blocks, 0, at::kFloat, device);
  made.second_absmax = filled(blocks, 0, at::kFloat, device);
  return made;
}

void ByteMoments::lay_out(const Arena& arena, bool clear) {
  std::map<std::string, Kept> before = std::move(moments_);
  moments_.clear();
  if (clear) before.clear();  // before new ones are made
  for (const ArenaRange& range : arena.ranges()) {
    const auto known = before.find(range.name);
    const bool carried = known != before.end() &&
                         (!known->second.in_bytes() || known->second.first.numel() == range.size);
    moments_[range.name] = carried ? std::move(known->second) : zero(range);
  }
}

double ByteMoments::update(const ArenaRange& range, int64_t from, const kernels::Update& step) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::workspace);
  const Kept& kept = moments_.at(range.name);
  const at::Device device = range.parameter.device();
  if (!kept.in_bytes()) return update_whole(kept, device, from, step);
  const int64_t at_once = device.is_cpu() ? kHere : kThere;
  alignas(64) float here[2 * kHere];
  Tensor there;
  if (!device.is_cpu()) {
    there = at::empty({2 * at_once}, at::TensorOptions(at::kFloat).device(device));
  }
  float* const first = there.defined() ? there.data_ptr<float>() : here;
  float* const second = first + at_once;
  double penalty = 0;
  for (int64_t start = 0; start < step.n; start += at_once) {
    const int64_t n = std::min(at_once, step.n - start);
    const Bytes m(kernels::signed_dynamic_map(), kept.first, kept.first_absmax, from + start, n,
                  device);
    const Bytes v(kernels::unsigned_dynamic_map(), kept.second, kept.second_absmax, from + start, n,
                  device);
    m.read(first);
    v.read(second);
    kernels::Update part = part_of(step, start, n);
    part.first = first;
    part.second = second;
    penalty += update_on(device, part);
    m.write(first);
    v.write(second);
  }
  return penalty;
}

double ByteMoments::update_whole(const Kept& kept, const at::Device& device, int64_t from,
                                 const kernels::Update& step) {
  const Piece first(kept.first, from, step.n, device), second(kept.second, from, step.n, device);
  kernels::Update whole = step;
  whole.first = first.data<float>();
  whole.second = second.data<float>();
  const double penalty = update_on(device, whole);
  first.keep();
  second.keep();
  return penalty;
}

double ByteMoments::update(const Arena& arena, const kernels::Update& step) {
  double penalty = 0;
  for (const ArenaRange& range : arena.ranges()) {
    penalty += update(range, 0, part_of(step, range.offset, range.size));
  }
  return penalty;
}

std::string ByteMoments::form() const {
  const bool host = moments_.empty() || moments_.begin()->second.first.is_cpu();
  return host ? "in 8 bits on the host" : "in 8 bits on the device";
}

void ByteMoments::state(Archive& archive) {
  const MemoryTag tag(Category::optimizer);
  const auto keep = [&](const std::string& name, Tensor& value) {
    const at::Device device = value.device();
    archive(name, value);
    if (archive.reading()) value = value.to(device);
  };
  for (auto& [name, kept] : moments_) {
    keep(name + ".first", kept.first);
    keep(name + ".second", kept.second);
    if (!kept.in_bytes()) continue;
    keep(name + ".first_absmax", kept.first_absmax);
    keep(name + ".second_absmax", kept.second_absmax);
  }
}

}  // namespace lethe
