#include "core/memory_ledger.h"

#include <algorithm>
#include <atomic>

namespace lethe {
namespace {

thread_local Category tag = Category::other;
thread_local int depth = 0;  // tags alive in this thread
std::atomic<Category> last_tag{Category::other};

}  // namespace

void Ledger::add(Category category, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  book(category, bytes);
}

void Ledger::move(Category from, Category to, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  book(from, -bytes);
  book(to, bytes);
}

int64_t Ledger::live(Category category) {
  const std::lock_guard lock(mutex_);
  return live_[static_cast<size_t>(category)];
}

int64_t Ledger::live() {
  const std::lock_guard lock(mutex_);
  return total_;
}

void Ledger::begin(const std::string& phase) {
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(phases_.begin(), phases_.end(),
                                  [&](const PhasePeaks& one) { return one.name == phase; });
  current_ = known != phases_.end() ? &*known : &phases_.emplace_back(PhasePeaks{.name = phase});
  for (size_t c = 0; c < kCategories; ++c) raise_peak(c);
  raise_total();
}

void Ledger::reset() {
  const std::lock_guard lock(mutex_);
  phases_.clear();
  current_ = nullptr;
  most_reserved_ = reserved_;
  refusal_.reset();
}

std::vector<PhasePeaks> Ledger::phases() {
  const std::lock_guard lock(mutex_);
  return {phases_.begin(), phases_.end()};
}

void Ledger::reserve(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  reserved_ += bytes;
  most_reserved_ = std::max(most_reserved_, reserved_);
}

int64_t Ledger::most_reserved() {
  const std::lock_guard lock(mutex_);
  return most_reserved_;
}

void Ledger::refuse(int64_t bytes, int64_t left) {
  const std::lock_guard lock(mutex_);
  refusal_ = Refusal{bytes, current_ != nullptr ? current_->name : "", live_, left};
}

std::optional<Refusal> Ledger::refusal() {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

void Ledger::book(Category category, int64_t bytes) {
  const auto c = static_cast<size_t>(category);
  live_[c] += bytes;
  total_ += bytes;
  if (current_ == nullptr || bytes <= 0) return;
  raise_peak(c);
  raise_total();
}

void Ledger::raise_peak(size_t c) { current_->peak[c] = std::max(current_->peak[c], live_[c]); }

void Ledger::raise_total() {
  if (total_ <= current_->total_peak) return;
  current_->total_peak = total_;
  current_->at_peak = live_;
}

Ledger& host_ledger() {
  static Ledger& only = *new Ledger;
  return only;
}

Ledger& device_ledger() {
  static Ledger& only = *new Ledger;
  return only;
}

Category host_tag() { return depth > 0 ? tag : Category::other; }
Category device_tag() { return depth > 0 ? tag : last_tag.load(); }

MemoryTag::MemoryTag(Category category) : before_(device_tag()) {
  tag = category;
  last_tag = category;
  ++depth;
}

MemoryTag::~MemoryTag() {
  --depth;
  tag = before_;
  last_tag = before_;
}

}  // namespace lethe
