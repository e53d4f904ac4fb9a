// What this program was built from: results of two builds are never mixed unseen. Free of libtorch.
#pragma once

namespace lethe {

/// SHA-256 over the sources that can change a result (core, methods, streams, pretraining),
/// libtorch's version, the compiler's version and the flags. 64 hexadecimal characters.
const char* build_id();

const char* libtorch_version();  ///< "2.11.0+cu130"
const char* compiler_version();  ///< "GNU 12.2.0"

/// SHA-256 over the names and contents of core's headers; its start stands in
/// LETHE_PLUGIN_BUILD_ID.
const char* headers_digest();

const char*
git_commit();  ///< abbreviated, "-dirty" appended for a changed tree; "unknown" outside git

}  // namespace lethe
