#include "analysis/figure.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

extern char** environ;

namespace lethe {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string read_all(std::FILE* file) {
  std::rewind(file);
  std::string text;
  char block[4096];
  for (size_t n; (n = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, n);
  return text;
}

// The exit status, or -1 with errno when the program could not be started. The three streams are
// unnamed temporary files, so no pipe can fill up and nothing is left behind.
int run_program(const std::string& program, std::FILE* in, std::FILE* out, std::FILE* err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(in), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(out), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(err), STDERR_FILENO);
  std::string name = program;
  std::string defaults = "-d";  // ignores the user's ~/.gnuplot
  char* const arguments[] = {name.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int failure = posix_spawnp(&child, program.c_str(), &files, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0) {
    errno = failure;
    return -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void erase_between(std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin);
  if (from == std::string::npos) return;
  const size_t to = text.find(end, from);
  if (to != std::string::npos) text.erase(from, to + end.size() - from);
}

// The <svg> element alone: no XML declaration, no tool tip "Gnuplot"; empty when there is none.
std::string svg_element(std::string text) {
  const size_t from = text.find("<svg");
  const size_t to = text.rfind("</svg>");
  if (from == std::string::npos || to == std::string::npos) return "";
  text = text.substr(from, to + 6 - from);
  erase_between(text, "<title>Gnuplot</title>", "\n");
  erase_between(text, "<desc>", "</desc>\n");
  return text;
}

}  // namespace

Figure draw(const std::string& script, const std::string& program) {
  const File in(std::tmpfile()), out(std::tmpfile()), err(std::tmpfile());
  if (!in || !out || !err) {
    return {.problem = fmt::format("Figure not drawn: no temporary file could be made ({}).",
                                   std::strerror(errno))};
  }
  std::fwrite(script.data(), 1, script.size(), in.get());
  std::fflush(in.get());
  std::rewind(in.get());
  const int status = run_program(program, in.get(), out.get(), err.get());
  if (status < 0) {
    return {.problem =
                fmt::format("Figure not drawn: {} could not be started ({}); install it with "
                            "'apt-get install gnuplot-nox' and make the report again.",
                            program, std::strerror(errno))};
  }
  const std::string svg = status == 0 ? svg_element(read_all(out.get())) : "";
  if (!svg.empty()) return {.svg = svg};
  std::string said = read_all(err.get()).substr(0, 300);
  for (char& c : said) c = c == '\n' || c == '\r' ? ' ' : c;
  return {.problem =
              fmt::format("Figure not drawn: {} failed with status {}: {}", program, status, said)};
}

}  // namespace lethe
