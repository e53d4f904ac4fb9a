// Pretrained weights and teachers, made once and kept by digest.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace lethe {

/// The folder: $LETHE_CACHE, or $XDG_CACHE_HOME/lethe, or ~/.cache/lethe. Made when it is not
/// there.
std::string cache_folder();

/// The path of `kind`-<digest of `what`>.safetensors in the cache. Where it is missing, or `accept`
/// throws on it, `make(path)` writes it, in one process at a time (a lock beside the file) and in a
/// child process, so that neither its memory nor its time is the trial's (in this process where it
/// uses a GPU, see uses_gpu()). `what` is everything that
/// decides the content. Where `stop` turns true the child gets SIGTERM, and once it has ended the
/// Error "interrupted" is thrown.
std::string cached(const std::string& kind, const std::string& what,
                   const std::function<void(const std::string& path)>& make,
                   const std::function<void(const std::string& path)>& accept,
                   const std::atomic<bool>* stop = nullptr);

}  // namespace lethe
