// Files that are made once and kept by digest.
#include "experiments/cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "core/digest.h"
#include "core/error.h"
#include "tests/files.h"

namespace lethe {
namespace {

/// Sets a variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    was_set_ = old != nullptr;
    if (was_set_) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (was_set_) {
      setenv(name_, old_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool was_set_ = false;
};

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void accept_whole(const std::string& path) {
  if (file_bytes(path) != "whole") fail("{} is not whole", path);
}

}  // namespace

TEST_CASE("a file is made once, under the digest of what decides it") {
  const Scratch scratch;
  const Variable cache("LETHE_CACHE", scratch.path("new/cache"));
  int accepted = 0;
  const auto get = [&](const std::string& what, const std::string& log) {
    return cached(
        "model", what,
        [&](const std::string& path) {
          write_text(path, "whole");
          write_text(scratch.path(log), "made");  // a child's variables are its own
        },
        [&](const std::string&) { ++accepted; });
  };
  const std::string path = get("width = 8", "first");
  CHECK(path ==
        scratch.path("new/cache") + "/model-" + sha256("width = 8").substr(0, 16) + ".safetensors");
  CHECK(file_bytes(path) == "whole");
  CHECK(get("width = 8", "second") == path);
  CHECK(get("width = 9", "third") != path);
  CHECK(accepted == 3);
  CHECK(std::filesystem::exists(scratch.path("first")));
  CHECK_FALSE(std::filesystem::exists(scratch.path("second")));
  CHECK(std::filesystem::exists(scratch.path("third")));
}

TEST_CASE("a damaged file is made again") {
  const Scratch scratch;
  const Variable cache("LETHE_CACHE", scratch.folder());
  const auto make = [](const std::string& path) { write_text(path, "whole"); };
  const std::string path = cached("model", "a", make, accept_whole);
  write_text(path, "who");
  CHECK(cached("model", "a", make, accept_whole) == path);
  CHECK(file_bytes(path) == "whole");
}

TEST_CASE("what goes wrong while a file is made is thrown here, and nothing is kept") {
  const Scratch scratch;
  const Variable cache("LETHE_CACHE", scratch.folder());
  const auto refuse = [](const std::string&) { fail("no rows to train on"); };
  const auto die = [](const std::string&) { kill(getpid(), SIGKILL); };
  CHECK_THROWS_WITH(cached("model", "a", refuse, accept_whole), "no rows to train on");
  CHECK_THROWS_WITH(cached("model", "a", die, accept_whole),
                    "the process that made a cached model died");
  const auto make = [](const std::string& path) { write_text(path, "whole"); };
  CHECK_NOTHROW(cached("model", "a", make, accept_whole));
}

TEST_CASE("a stop reaches the process that makes a file") {
  const Scratch scratch;
  const Variable cache("LETHE_CACHE", scratch.folder());
  const std::atomic<bool> stop{true};
  const auto forever = [](const std::string&) {
    std::signal(SIGTERM, SIG_DFL);  // not Catch's report
    for (;;) pause();
  };
  CHECK_THROWS_WITH(cached("model", "a", forever, accept_whole, &stop), "interrupted");
}

TEST_CASE("two processes that want one file make it once") {
  const Scratch scratch;
  const Variable cache("LETHE_CACHE", scratch.folder());
  const auto get = [&] {
    cached(
        "model", "a",
        [&](const std::string& path) {
          std::ofstream(scratch.path("log"), std::ios::app) << "made\n";
          usleep(50000);
          write_text(path, "whole");
        },
        accept_whole);
  };
  const pid_t other = fork();
  if (other == 0) {
    get();
    _exit(0);
  }
  get();
  int status = -1;
  waitpid(other, &status, 0);
  CHECK(status == 0);
  CHECK(file_bytes(scratch.path("log")) == "made\n");
}

TEST_CASE("the folder is LETHE_CACHE, made where it is absent, and named where it cannot be made") {
  const Scratch scratch;
  {
    const Variable cache("LETHE_CACHE", scratch.path("own"));
    CHECK(cache_folder() == scratch.path("own"));
  }
  const std::string file = scratch.write("file", "");
  const Variable cache("LETHE_CACHE", file + "/sub");
  CHECK_THROWS_WITH(cache_folder(), "cache folder " + file +
                                        "/sub can't be made: Not a directory; set LETHE_CACHE");
}

}  // namespace lethe
