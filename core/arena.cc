#include "core/arena.h"

#include <algorithm>
#include <map>

#include "core/digest.h"
#include "core/kernels/counts.h"

namespace lethe {
namespace {

std::vector<ArenaRange> ranges_of(Model& model, int64_t& total) {
  std::vector<ArenaRange> ranges;
  total = 0;
  for (Parameter& parameter : model.trainable()) {
    const int64_t size = parameter.value.numel();
    ranges.push_back({parameter.name, total, size, parameter.value});
    total += kernels::rounded_up(size, Arena::kUnit);
  }
  return ranges;
}

bool same(const std::vector<ArenaRange>& a, const std::vector<ArenaRange>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].size != b[i].size ||
        !a[i].parameter.is_same(b[i].parameter)) {
      return false;
    }
  }
  return true;
}

/// What adapters' parameters are called, beside seams' own names.
const char* const kAdapterNames[] = {".lora_", ".ia3_", ".osf_", ".adapter", "prompt_embeddings"};

/// Adapters' values are booked as such where nothing else is trained.
Category category_of(const std::vector<ArenaRange>& ranges) {
  for (const ArenaRange& range : ranges) {
    bool adapter = false;
    for (const char* name : kAdapterNames) {
      adapter = adapter || range.name.find(name) != std::string::npos;
    }
    if (!adapter) return Category::trained_weights;
  }
  return Category::adapters;
}

Tensor zeros_of(int64_t n, Category category, const at::Device& device,
                at::ScalarType type = at::kFloat) {
  const MemoryTag tag(category);
  return at::zeros({n}, at::TensorOptions(type).device(device));
}

}  // namespace

Tensor Arena::slice(const Tensor& flat, const ArenaRange& range) const {
  return flat.narrow(0, range.offset, range.size).view(range.parameter.sizes());
}

Tensor Arena::carried(const Tensor& old, const std::vector<ArenaRange>& old_ranges) const {
  std::map<std::string, const ArenaRange*> before;
  for (const ArenaRange& range : old_ranges) before[range.name] = &range;
  Tensor made = at::zeros({values_.numel()}, values_.options().dtype(old.scalar_type()));
  for (const ArenaRange& range : ranges_) {
    const auto found = before.find(range.name);
    if (found == before.end() || found->second->size != range.size) continue;
    made.narrow(0, range.offset, range.size)
        .copy_(old.narrow(0, found->second->offset, found->second->size));
  }
  return made;
}

/// Where a parameter still shows its master rounded, the master goes on; what was set anew begins
/// from what it shows.
void Arena::take_masters(const Tensor& old, const std::vector<ArenaRange>& old_ranges) {
  if (!old.defined()) return;
  const Tensor masters = carried(old, old_ranges), rounded = masters.to(at::kBFloat16);
  for (const ArenaRange& range : ranges_) {
    if (range.parameter.scalar_type() != at::kBFloat16) continue;
    if (slice(rounded, range).equal(range.parameter)) {
      slice(values_, range).copy_(slice(masters, range));
    }
  }
}

void Arena::follow_values() {
  if (shown_.defined()) shown_.copy_(values_);
}

Tensor Arena::zeros() const { return at::zeros({size()}, values_.options().dtype(at::kFloat)); }

bool Arena::lay_out(Model& model, bool gradients) {
  const at::NoGradGuard no_grad;
  int64_t total = 0;
  std::vector<ArenaRange> fresh = ranges_of(model, total);
  if (values_.defined() && same(fresh, ranges_)) return false;
  for (const ArenaRange& range : ranges_) range.parameter.mutable_grad() = Tensor();
  const std::vector<ArenaRange> before = std::move(ranges_);
  ranges_ = std::move(fresh);
  const at::Device device = ranges_.empty() ? at::Device(at::kCPU) : ranges_[0].parameter.device();
  const Category category = category_of(ranges_);
  const Tensor old = values_;
  const bool masters = store_ == ValueStore::bf16_with_master;
  values_ = zeros_of(total, masters ? Category::optimizer : category, device,
                     store_ == ValueStore::bf16 ? at::kBFloat16 : at::kFloat);
  for (ArenaRange& range : ranges_) slice(values_, range).copy_(range.parameter);
  if (masters) {
    take_masters(old, before);
    shown_ = zeros_of(total, category, device, at::kBFloat16);
    follow_values();
  }
  for (const ArenaRange& range : before) {
    if (!range.parameter.requires_grad()) range.parameter.set_data(range.parameter.clone());
  }
  for (Twin& twin : twins_) {
    const MemoryTag tag(twin.buffer_->category);
    const bool carries = twin.buffer_ != gradient_.buffer_;
    if (carries) {
      twin.buffer_->values = carried(twin.buffer_->values, before);
    } else {
      twin.buffer_->values = Tensor();  // before the new one is made
      twin.buffer_->values = zeros_of(total, Category::gradients, device, shown().scalar_type());
    }
  }
  if (gradients && !gradient_) {
    gradient_ = made_twin("gradient", Category::gradients, shown().scalar_type());
  }
  for (ArenaRange& range : ranges_) {
    range.parameter.set_data(slice(shown(), range));
    if (gradient_) range.parameter.mutable_grad() = slice(gradient_.tensor(), range);
  }
  return true;
}

const ArenaRange* Arena::range_of(const Tensor& parameter) const {
  const auto found = std::find_if(ranges_.begin(), ranges_.end(), [&](const ArenaRange& range) {
    return range.parameter.is_same(parameter);
  });
  return found == ranges_.end() ? nullptr : &*found;
}

int64_t Arena::parameter_count() const {
  int64_t count = 0;
  for (const ArenaRange& range : ranges_) count += range.size;
  return count;
}

Twin Arena::twin(const std::string& name, Category category) {
  for (const Twin& known : twins_) {
    if (known.name() == name) return known;
  }
  return made_twin(name, category, at::kFloat);
}

Twin Arena::made_twin(const std::string& name, Category category, at::ScalarType type) {
  Twin made;
  made.buffer_ = std::make_shared<Twin::Buffer>();
  made.buffer_->name = name;
  made.buffer_->category = category;
  made.buffer_->values =
      zeros_of(size(), category, values_.defined() ? values_.device() : at::kCPU, type);
  twins_.push_back(made);
  return made;
}

Arena::Shown::Shown(const Arena& arena, const Tensor& flat) : arena_(arena) {
  for (const ArenaRange& range : arena_.ranges_) {
    range.parameter.set_data(arena_.slice(flat, range));
  }
}

Arena::Shown::~Shown() {
  for (const ArenaRange& range : arena_.ranges_) {
    range.parameter.set_data(arena_.slice(arena_.shown(), range));
  }
}

std::string Arena::digest() const {
  Sha256 hash;
  for (const ArenaRange& range : ranges_) {
    hash.add(range.name);
    const Tensor values = values_.narrow(0, range.offset, range.size).cpu().to(at::kFloat);
    hash.add({reinterpret_cast<const char*>(values.const_data_ptr<float>()),
              static_cast<size_t>(range.size) * sizeof(float)});
  }
  return hash.text();
}

}  // namespace lethe
