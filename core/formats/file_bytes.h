// Whole files. Free of libtorch.
#pragma once

#include <string>

namespace lethe {

/// A whole file's bytes. Throws Error naming the file where it can't be read.
std::string file_bytes(const std::string& path);

}  // namespace lethe
