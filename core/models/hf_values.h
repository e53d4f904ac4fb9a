// Values of config.json that families share.
#pragma once

#include <optional>
#include <string>

#include "core/formats/hf_config.h"
#include "core/models/decoder_config.h"

namespace lethe {

/// By Hugging Face's name, "gelu_new"; nullopt for one that is not known.
std::optional<Activation> activation_called(const std::string& name);

/// The activation under `keys`. Throws Error listing the known names.
Activation activation_of(const HfConfig& config, const HfConfig::Keys& keys,
                         const std::string& fallback);

/// A number of layers, of heads, or of a head's values: a model makes something of its own for
/// each. Throws Error outside 1 to 10,000, and where there is neither the key nor a fallback.
int64_t count_of(const HfConfig& config, const HfConfig::Keys& keys,
                 std::optional<int64_t> fallback = std::nullopt);

/// The width of a layer, whose norms and biases are vectors of it even where weights are shapes
/// alone. Throws Error outside 1 to 1,000,000, and where there is neither the key nor a fallback.
int64_t width_of(const HfConfig& config, const HfConfig::Keys& keys,
                 std::optional<int64_t> fallback = std::nullopt);

/// A dropout's probability. Throws Error where it is outside [0, 1).
double dropout_of(const HfConfig& config, const std::string& key, double fallback);

}  // namespace lethe
