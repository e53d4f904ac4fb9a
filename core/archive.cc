#include "core/archive.h"

#include "core/error.h"

namespace lethe {

Tensor& Archive::stored(const std::string& name) {
  const std::string key = prefix_ + name;
  if (direction_ == Direction::write) return tensors_[key];
  const auto found = tensors_.find(key);
  if (found == tensors_.end()) {
    fail("the checkpoint lacks '{}'; delete it to start the trial again", key);
  }
  return found->second;
}

void Archive::operator()(const std::string& name, Tensor& value) {
  Tensor& kept = stored(name);
  if (reading()) {
    value = kept.defined() && kept.numel() > 0 ? kept.clone() : Tensor();
  } else {
    kept = value.defined() ? value.detach().cpu().contiguous() : at::empty({0}, at::kFloat);
  }
}

void Archive::operator()(const std::string& name, int64_t& value) {
  Tensor& kept = stored(name);
  if (reading()) {
    value = kept.data_ptr<int64_t>()[0];
  } else {
    kept = at::full({1}, value, at::kLong);
  }
}

void Archive::operator()(const std::string& name, bool& value) {
  int64_t number = value ? 1 : 0;
  (*this)(name, number);
  value = number != 0;
}

void Archive::operator()(const std::string& name, double& value) {
  Tensor& kept = stored(name);
  if (reading()) {
    value = kept.data_ptr<double>()[0];
  } else {
    kept = at::full({1}, value, at::kDouble);
  }
}

void Archive::operator()(const std::string& name, Random& value) {
  const std::vector<uint64_t> words = value.state();
  std::vector<int64_t> numbers(words.begin(), words.end());
  (*this)(name, numbers);
  if (reading()) value.set_state({numbers.begin(), numbers.end()});
}

void Archive::operator()(const std::string& name, std::vector<int64_t>& value) {
  Tensor& kept = stored(name);
  if (reading()) {
    value.assign(kept.data_ptr<int64_t>(), kept.data_ptr<int64_t>() + kept.numel());
  } else {
    kept = at::tensor(value, at::kLong);
  }
}

}  // namespace lethe
