#include "experiments/cache.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/digest.h"
#include "core/error.h"
#include "core/memory.h"

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

[[noreturn]] void child(const std::function<void()>& work, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // what nobody waits for need not be made
  int code = 0;
  try {
    work();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    code = write(out, text.data(), text.size()) < 0 ? 2 : 1;
  }
  _exit(code);
}

bool told_to_stop(const std::atomic<bool>* stop) { return stop != nullptr && *stop; }

/// What the other end writes until it closes; meanwhile hands a stop on to `process`.
std::string read_all(int end, pid_t process, const std::atomic<bool>* stop) {
  std::string message;
  char block[1024];
  for (;;) {
    pollfd ready{end, POLLIN, 0};
    if (poll(&ready, 1, 200) <= 0) {
      if (told_to_stop(stop)) kill(process, SIGTERM);
      continue;
    }
    const ssize_t got = read(end, block, sizeof block);
    if (got > 0) message.append(block, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return message;
  }
}

/// Runs `work` in a forked process and throws what it threw.
void in_child(const std::function<void()>& work, const std::atomic<bool>* stop) {
  int ends[2];
  if (pipe(ends) != 0) fail("no pipe to a child process: {}", std::strerror(errno));
  std::fflush(nullptr);
  const pid_t process = fork();
  if (process < 0) fail("no child process could be made: {}", std::strerror(errno));
  if (process == 0) {
    close(ends[0]);
    child(work, ends[1]);
  }
  close(ends[1]);
  std::string message = read_all(ends[0], process, stop);
  close(ends[0]);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (told_to_stop(stop)) throw Error("interrupted");
  if (message.empty()) message = "the process that made a cached model died";
  throw Error(message);
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
    in_child([&] { make(path); }, stop);
  }
  accept(path);
  return path;
}

}  // namespace lethe
