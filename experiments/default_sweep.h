// The sweep that `lethe run` runs without a file: sweeps/default.toml, embedded at build time.
#pragma once

namespace lethe {

const char* default_sweep();

}  // namespace lethe
