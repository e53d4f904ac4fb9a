#include "core/models/hf_values.h"

#include <map>

namespace lethe {
namespace {

// Far above published models, and far below what would keep a program busy or take all memory.
constexpr int64_t kMostParts = 10'000, kWidest = 1'000'000;

int64_t within_or(const HfConfig& config, const HfConfig::Keys& keys, int64_t most,
                  std::optional<int64_t> fallback) {
  return fallback && !config.has(keys) ? *fallback : config.within(keys, most);
}

}  // namespace

std::optional<Activation> activation_called(const std::string& name) {
  static const std::map<std::string, Activation> known = {
      {"relu", Activation::relu},
      {"gelu", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"silu", Activation::silu},
      {"swish", Activation::silu}};
  const auto found = known.find(name);
  return found == known.end() ? std::nullopt : std::optional<Activation>(found->second);
}

Activation activation_of(const HfConfig& config, const HfConfig::Keys& keys,
                         const std::string& fallback) {
  const auto found = activation_called(config.text(keys, fallback));
  if (!found) {
    config.refuse(keys, "one of relu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, silu, swish");
  }
  return *found;
}

int64_t count_of(const HfConfig& config, const HfConfig::Keys& keys,
                 std::optional<int64_t> fallback) {
  return within_or(config, keys, kMostParts, fallback);
}

int64_t width_of(const HfConfig& config, const HfConfig::Keys& keys,
                 std::optional<int64_t> fallback) {
  return within_or(config, keys, kWidest, fallback);
}

double dropout_of(const HfConfig& config, const std::string& key, double fallback) {
  const double p = config.number({key}, fallback);
  if (!(p >= 0 && p < 1)) config.refuse({key}, "a probability in [0, 1)");
  return p;
}

}  // namespace lethe
