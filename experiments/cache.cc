#include "experiments/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/digest.h"
#include "core/error.h"
#include "core/memory.h"
#include "experiments/child_process.h"

namespace lethe {
namespace {

/// An exclusive lock on a file, held while it lives.
class Lock {
 public:
  explicit Lock(const std::string& path)
      : file_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (file_ < 0) {
      fail("the cache can't be written: {}: {}; set LETHE_CACHE to a folder that can", path,
           std::strerror(errno));
    }
    while (flock(file_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~Lock() { close(file_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int file_;
};

/// Runs `work` in a child process and throws what it threw.
void elsewhere(const std::function<void()>& work, const std::atomic<bool>* stop) {
  const ChildEnd end = in_child(
      [&] {
        work();
        return std::string();
      },
      stop);
  if (end.how == ChildEnd::How::returned) return;
  if (stop != nullptr && *stop) throw Error("interrupted");
  throw Error(end.text.empty() ? "the process that made a cached model died" : end.text);
}

}  // namespace

std::string cache_folder() {
  const char* own = std::getenv("LETHE_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string folder = own != nullptr ? own
                             : xdg != nullptr
                                 ? std::string(xdg) + "/lethe"
                                 : std::string(home != nullptr ? home : ".") + "/.cache/lethe";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("cache folder {} can't be made: {}; set LETHE_CACHE", folder, error.message());
  return folder;
}

std::string cached(const std::string& kind, const std::string& what,
                   const std::function<void(const std::string& path)>& make,
                   const std::function<void(const std::string& path)>& accept,
                   const std::atomic<bool>* stop) {
  const std::string path =
      fmt::format("{}/{}-{}.safetensors", cache_folder(), kind, sha256(what).substr(0, 16));
  const Lock lock(path + ".lock");
  if (std::filesystem::exists(path)) {
    try {
      accept(path);
      return path;
    } catch (const Error& error) {
      fmt::print(stderr, "warning: {} is made again: {}\n", path, error.what());
      std::filesystem::remove(path);
    }
  }
  if (uses_gpu()) {
    make(path);
  } else {
    elsewhere([&] { make(path); }, stop);
  }
  accept(path);
  return path;
}

}  // namespace lethe
