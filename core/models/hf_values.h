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

/// A dropout's probability. Throws Error where it is outside [0, 1).
double dropout_of(const HfConfig& config, const std::string& key, double fallback);

}  // namespace lethe
