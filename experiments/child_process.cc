#include "experiments/child_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace lethe {
namespace {

constexpr int kReturned = 0, kThrew = 1, kUnwritten = 2;

[[noreturn]] void child(const std::function<std::string()>& work, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // what nobody waits for need not be made
  int code = kReturned;
  std::string text;
  try {
    text = work();
  } catch (const std::exception& error) {
    text = error.what();
    code = kThrew;
  }
  _exit(write(out, text.data(), text.size()) < 0 ? kUnwritten : code);
}

/// What the other end writes until it closes; meanwhile hands a stop on to `process`.
std::string read_all(int end, pid_t process, const std::atomic<bool>* stop) {
  std::string text;
  char block[1024];
  for (;;) {
    pollfd ready{end, POLLIN, 0};
    if (poll(&ready, 1, 200) <= 0) {
      if (stop != nullptr && *stop) kill(process, SIGTERM);
      continue;
    }
    const ssize_t got = read(end, block, sizeof block);
    if (got > 0) text.append(block, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return text;
  }
}

}  // namespace

ChildEnd in_child(const std::function<std::string()>& work, const std::atomic<bool>* stop) {
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
  ChildEnd end;
  end.text = read_all(ends[0], process, stop);
  close(ends[0]);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kReturned) end.how = ChildEnd::How::returned;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kThrew) end.how = ChildEnd::How::threw;
  return end;
}

}  // namespace lethe
