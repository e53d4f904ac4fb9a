#include "core/host_moments.h"

#include <algorithm>

#include "core/update.h"

namespace lethe {

void HostMoments::lay_out(const Arena& arena, bool clear) {
  const MemoryTag tag(Category::optimizer);
  if (clear) std::fill(flat_.begin(), flat_.end(), Tensor());  // before new ones are made
  const std::vector<Tensor> before = flat_;
  const std::vector<Place> old = std::move(places_);
  places_.clear();
  for (Tensor& flat : flat_) flat = at::zeros({arena.size()}, at::kFloat);
  for (const ArenaRange& range : arena.ranges()) {
    places_.push_back({range.name, range.offset, range.size});
    const auto known = std::find_if(old.begin(), old.end(), [&](const Place& place) {
      return place.name == range.name && place.size == range.size;
    });
    if (clear || known == old.end()) continue;
    for (size_t m = 0; m < flat_.size(); ++m) {
      flat_[m]
          .narrow(0, range.offset, range.size)
          .copy_(before[m].narrow(0, known->offset, known->size));
    }
  }
}

double HostMoments::update(const ArenaRange& range, int64_t from, const kernels::Update& step) {
  return update_from(range.offset + from, step);
}

double HostMoments::update(const Arena&, const kernels::Update& step) {
  return update_from(0, step);
}

double HostMoments::update_from(int64_t offset, const kernels::Update& step) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::workspace);
  double penalty = 0;
  for (int64_t start = 0; start < step.n; start += kAtOnce) {
    const int64_t n = std::min(kAtOnce, step.n - start);
    std::vector<Tensor> there;
    for (const Tensor& flat : flat_) there.push_back(flat.narrow(0, offset + start, n).to(device_));
    kernels::Update part = part_of(step, start, n);
    part.first = there[0].data_ptr<float>();
    part.second = there.size() > 1 ? there[1].data_ptr<float>() : nullptr;
    penalty += update_on(device_, part);
    for (size_t m = 0; m < flat_.size(); ++m) {
      flat_[m].narrow(0, offset + start, n).copy_(there[m]);
    }
  }
  return penalty;
}

void HostMoments::state(Archive& archive) {
  const MemoryTag tag(Category::optimizer);
  for (size_t m = 0; m < flat_.size(); ++m) {
    archive("host." + std::to_string(m), flat_[m]);
  }
}

}  // namespace lethe
