// The program itself, run as a user would, in a folder of its own. Include Catch first.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/files.h"
#include "tests/image_set.h"

/// How a run ended: its exit code, or 128 + the signal that killed it, and what it printed.
struct Ended {
  int code = 0;
  std::string out, err;
};

/// `lethe` with these arguments in the scratch folder, which also holds its cache.
class Program {
 public:
  /// `limit` is the largest file that it may write, in bytes; 0 = any.
  Program(const Scratch& scratch, const std::vector<std::string>& arguments, int64_t limit = 0)
      : out_(scratch.path("stdout")), err_(scratch.path("stderr")) {
    const std::string cache = scratch.path("cache");
    // Here, so that nobody reads what a run before this one said.
    const int out = open(out_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    const int err = open(err_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    process_ = fork();
    if (process_ == 0) {
      dup2(out, 1);
      dup2(err, 2);
      become(scratch.folder(), cache, arguments, limit);
    }
    close(out);
    close(err);
  }
  ~Program() {
    if (process_ > 0) kill(process_, SIGKILL);
    if (process_ > 0) waitpid(process_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t process() const { return process_; }

  /// Waits until it has printed `text` on stderr `times` times; false where it doesn't for 60 s.
  bool says(const std::string& text, int times = 1) const {
    for (int turn = 0; turn < 6000; ++turn) {
      const std::string said = file_bytes(err_);
      int found = 0;
      for (size_t at = 0; (at = said.find(text, at)) != std::string::npos; ++at) ++found;
      if (found >= times) return true;
      usleep(10000);
    }
    return false;
  }

  void signal(int number) const { kill(process_, number); }

  /// Waits for its end; one that doesn't come within 60 s is made.
  Ended end() {
    int status = 0;
    for (int turn = 0; waitpid(process_, &status, WNOHANG) == 0; ++turn) {
      if (turn == 12000) kill(process_, SIGKILL);
      usleep(5000);
    }
    process_ = 0;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), file_bytes(out_),
            file_bytes(err_)};
  }

 private:
  [[noreturn]] static void become(const std::string& folder, const std::string& cache,
                                  const std::vector<std::string>& arguments, int64_t limit) {
    static const std::string kProgram = std::string(LETHE_BINARY_DIR) + "/lethe";
    setenv("LETHE_CACHE", cache.c_str(), 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    for (const int number : {SIGINT, SIGTERM}) ::signal(number, SIG_DFL);
    if (limit > 0) {
      ::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit fails, as on a full disk
      const rlimit bytes{static_cast<rlim_t>(limit), static_cast<rlim_t>(limit)};
      setrlimit(RLIMIT_FSIZE, &bytes);
    }
    std::vector<char*> words = {const_cast<char*>(kProgram.c_str())};
    for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    if (chdir(folder.c_str()) == 0) execv(kProgram.c_str(), words.data());
    _exit(127);
  }

  std::string out_, err_;
  pid_t process_ = 0;
};

inline Ended lethe_run(const Scratch& scratch, const std::vector<std::string>& arguments,
                       int64_t limit = 0) {
  return Program(scratch, arguments, limit).end();
}

/// Each command is wrong usage: exit code 2, an error with the text beside it, nothing on stdout.
inline void check_refused(
    const Scratch& scratch,
    const std::vector<std::pair<std::vector<std::string>, std::string>>& wrong) {
  for (const auto& [command, said] : wrong) {
    CAPTURE(command);
    const Ended ended = lethe_run(scratch, command);
    CHECK(ended.code == 2);
    CHECK_THAT(ended.err, Catch::Contains(said));
    CHECK(ended.out.empty());
  }
}

/// The processes that `parent` started, such as a sweep's workers.
inline std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = file_bytes(entry.path().string() + "/stat");
    const size_t after = stat.rfind(')');  // the name before it may hold anything
    if (after == std::string::npos || stat.size() < after + 4) continue;
    if (std::atoi(stat.c_str() + after + 4) == parent) found.push_back(std::atoi(name.c_str()));
  }
  return found;
}

/// "sweep.toml" in the scratch folder: split images of 2 x 3, a perceptron of 8 units, the methods
/// of `rest` ("[[method]]..."). A trial takes about 10 ms.
inline void write_sweep(const Scratch& scratch, const std::string& seeds, const std::string& rest) {
  write_set(scratch);
  scratch.write("sweep.toml", "seeds = " + seeds +
                                  "\n[stream]\nname = \"split\"\ndata = \".\"\nvalidation = 2\n"
                                  "[model]\nname = \"mlp\"\nwidth = 8\n"
                                  "[train]\nsteps = 3\nbatch = 4\nlr = 0.01\n" +
                                  rest);
}

inline const std::string kFinetune = "[[method]]\nname = \"finetune\"\n";
inline const std::string kEwc = "[[method]]\nname = \"ewc\"\n";
