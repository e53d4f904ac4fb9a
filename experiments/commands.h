// The subcommands of `lethe`: each adds itself with its options to the program and says what runs
// it.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace lethe {

struct Command {
  CLI::App* app;
  std::function<int()> run;  ///< returns the exit code
};

Command add_run(CLI::App& app);
Command add_tune(CLI::App& app);
Command add_report(CLI::App& app);
Command add_check(CLI::App& app);
Command add_list(CLI::App& app);
Command add_show(CLI::App& app);
Command add_merge(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_plan(CLI::App& app);
Command add_export(CLI::App& app);
Command add_predict(CLI::App& app);
Command add_tokenizer(CLI::App& app);

}  // namespace lethe
