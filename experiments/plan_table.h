// Many memory plans as one table: `lethe plan --table`.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// The Markdown table of the plans that a TOML file asks for: [[model]] with a name and a config
/// (config.json's text), [[row]] with a model's name, `options` of `lethe plan`, and perhaps a
/// `published` figure. In MiB; with a device's bytes also whether each fits. Throws Error with the
/// file's place for anything that is wrong in it.
std::string plan_table(const std::string& path, int64_t device_memory);

}  // namespace lethe
