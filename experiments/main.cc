#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/build_id.h"
#include "core/error.h"
#include "experiments/commands.h"

namespace {

/// Runs a command; 2 for what it throws and for output that can't be written.
int exit_code(const lethe::Command& command) {
  try {
    const int code = command.run();
    if (std::fflush(stdout) != 0) {
      lethe::fail("the standard output can't be written: {}; check the space on its disk",
                  std::strerror(errno));
    }
    return code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());  // which never throws
    return 2;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Lethe: what a model forgets while it learns");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("lethe build ") + lethe::build_id() +
                                        "\nlibtorch " + lethe::libtorch_version() + "\n" +
                                        lethe::compiler_version());
  std::vector<lethe::Command> commands;
  for (auto* add :
       {&lethe::add_run, &lethe::add_tune, &lethe::add_report, &lethe::add_check, &lethe::add_show,
        &lethe::add_merge, &lethe::add_list, &lethe::add_inspect, &lethe::add_plan,
        &lethe::add_export, &lethe::add_predict, &lethe::add_tokenizer}) {
    commands.push_back(add(app));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const lethe::Command& command : commands) {
    if (app.got_subcommand(command.app)) return exit_code(command);
  }
  return 2;
}
