// The known strategies, their aliases, and methods made from them ("lora+ewc").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/strategy.h"

namespace lethe {

/// The order in which strategies of one method run. At most one adapter and one data policy.
enum class Role { adapter, freezing, regulariser, data, distillation };
const char* role_name(Role role);

/// The setting under which a strategy must equal finetune.
struct Neutral {
  OptionMap options;
  double tolerance = 0;  ///< largest difference of a final weight; 0 = bit for bit
  bool exists = true;    ///< false: no setting equals finetune (lora)
};

/// One point on which papers and codes differ.
struct Reading {
  std::string option;  ///< its name, or several with commas; "-" where there is no option
  std::string text;    ///< Markdown, one paragraph
};

struct StrategyEntry {
  std::string name;
  Role role = Role::regulariser;
  std::string summary;   ///< one sentence
  std::string source;    ///< paper with arXiv number
  std::string verified;  ///< against what its numbers were checked
  /// Where papers and codes differ: which reading an option's default takes, which others there are
  /// (with their sources), and why.
  std::vector<Reading> readings;
  std::string plugin;  ///< SHA-256 of the file it comes from, by the registry; empty = built in
  Neutral neutral;
  std::vector<OptionCondition> conditions;  ///< checked by `make`
  /// An adapter that trains other parameters in each task, so that a regulariser has none to hold.
  bool new_parameters_each_task = false;
  std::function<std::vector<OptionDoc>()> docs;
  std::function<OptionMap(const OptionMap&)> complete;  ///< checked, with every default filled in
  /// Throws Error for an option that another one switches off, see check_conditions().
  std::function<std::unique_ptr<Strategy>(const OptionMap&)> make;
};

/// Another name for a method: strategies with options, and options of the model ("qlora").
struct Alias {
  std::string name, summary;
  std::vector<Part> parts;
  OptionMap model;
};

class StrategyRegistry {
 public:
  /// T is a Strategy with a nested Options struct, constructible from it. Throws on a name taken.
  template <class T>
  void add(StrategyEntry entry);
  void add_alias(Alias alias);
  /// Strategies added from now on come from the plugin whose file has this SHA-256; empty = built
  /// in.
  void come_from(std::string plugin) { plugin_ = std::move(plugin); }

  const std::map<std::string, StrategyEntry>& entries() const { return entries_; }
  const std::map<std::string, Alias>& aliases() const { return aliases_; }
  /// Throws "unknown method 'x'; known methods: ...".
  const StrategyEntry& at(const std::string& name) const;

 private:
  void add_entry(StrategyEntry entry);

  std::map<std::string, StrategyEntry> entries_;
  std::map<std::string, Alias> aliases_;
  std::string plugin_;
};

template <class T>
void StrategyRegistry::add(StrategyEntry entry) {
  using Options = typename T::Options;
  const std::string name = entry.name;
  entry.docs = [] { return option_docs<Options>(); };
  entry.complete = [name](const OptionMap& given) {
    return options_text(parse_options<Options>(name, given));
  };
  entry.make = [name](const OptionMap& given) -> std::unique_ptr<Strategy> {
    return std::make_unique<T>(parse_options<Options>(name, given));
  };
  add_entry(std::move(entry));
}

/// A parsed method: strategies in role order with complete options, and what its aliases ask of the
/// model.
struct MethodSpec {
  std::vector<Part> parts;
  OptionMap model;
};

/// `text` is names joined by '+', aliases allowed, in any order; `options` is keyed "name.option"
/// or, where only one strategy of the method has it, "option". Throws Error for unknown names and
/// options, the same strategy twice, two adapters or two data policies (naming both).
MethodSpec parse_method(const StrategyRegistry& registry, const std::string& text,
                        const OptionMap& options);

/// Throws Error for an option of a part that another one switches off, see check_conditions(), and
/// for a regulariser beside an adapter whose tasks share no trained parameter: it would do nothing.
void check_conditions(const StrategyRegistry& registry, const std::vector<Part>& parts);

/// The strategies of a method, ready to answer calls.
struct Method {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Strategy>> strategies;
};
Method make_method(const StrategyRegistry& registry, const std::vector<Part>& parts);

}  // namespace lethe
