// What --set changes in a sweep.
#include <algorithm>

#include "core/error.h"
#include "experiments/sweep_value.h"

namespace lethe {
namespace {

/// One --set, taken apart: "method.ewc.lambda=3" has section "method" and rest "ewc.lambda".
struct Override {
  std::string given, key, section, rest;
  GridOption option;

  [[noreturn]] void refuse(const std::string& why) const { fail("--set '{}': {}", given, why); }
};

/// TOML where it begins with a bracket or a quote; else words, parted by commas.
GridOption value_of(const std::string& given, const std::string& key, const std::string& text) {
  if (text.empty()) fail("--set '{}' has no value; write key=value", given);
  if (std::string("[\"'").find(text[0]) == std::string::npos) return {split_at(text, ','), 0};
  try {
    const toml::table table = parse_toml("value = " + text, "value");
    if (table.size() != 1) fail("it holds more than one value");
    return {grid_value(key, *table.get("value")).values, 0};
  } catch (const Error& error) {
    fail("--set '{}' has a bracket or quote first and so must be one TOML value: {}", given,
         error.what());
  }
}

Override taken_apart(const std::string& given) {
  const size_t equals = given.find('=');
  if (equals == std::string::npos) fail("--set '{}' has no '='; write key=value", given);
  Override one;
  one.given = given;
  one.key = given.substr(0, equals);
  const size_t dot = one.key.find('.');
  one.section = one.key.substr(0, dot);
  one.rest = dot == std::string::npos ? "" : one.key.substr(dot + 1);
  one.option = value_of(given, one.key, given.substr(equals + 1));
  return one;
}

/// A strategy of a method, with the word of the method's name that brought it ("qlora" for lora).
struct Named {
  std::string word, strategy;
};

std::vector<Named> strategies_of(const SweepMethod& method, const StrategyRegistry& registry) {
  std::vector<Named> found;
  for (const std::string& word : split_at(method.name, '+')) {
    const auto alias = registry.aliases().find(word);
    if (alias == registry.aliases().end()) {
      found.push_back({word, word});
      continue;
    }
    for (const Part& part : alias->second.parts) found.push_back({word, part.name});
  }
  return found;
}

bool has_option(const StrategyRegistry& registry, const std::string& strategy,
                const std::string& option) {
  const auto entry = registry.entries().find(strategy);
  if (entry == registry.entries().end()) return false;
  const auto docs = entry->second.docs();
  return std::any_of(docs.begin(), docs.end(),
                     [&](const OptionDoc& doc) { return doc.name == option; });
}

/// Sets the option in the strategies of `method` that go by `name`, as strategies or by an alias;
/// false where there are none.
bool reach(SweepMethod& method, const Override& given, const std::string& name,
           const std::string& option, const StrategyRegistry& registry) {
  bool reached = false;
  for (const Named& one : strategies_of(method, registry)) {
    if (one.word != name && one.strategy != name) continue;
    reached = true;
    try {
      for (const std::string& value : given.option.values) {
        registry.at(one.strategy).complete({{option, value}});
      }
    } catch (const Error& error) {
      given.refuse(error.what());
    }
    // The file may have the option without its strategy. An unclear one stays, to be refused.
    const std::string key = one.strategy + "." + option;
    const auto same = [&](const auto& entry) {
      return full_key(method, entry.first, registry) == key;
    };
    std::erase_if(method.options, same);
    std::erase_if(method.tune, same);
    method.options[key] = given.option;
  }
  return reached;
}

void set_in_methods(Sweep& sweep, const Override& given, const StrategyRegistry& registry) {
  const size_t dot = given.rest.find('.');
  const std::string name = given.rest.substr(0, dot), option = given.rest.substr(dot + 1);
  bool reached = false;
  std::vector<std::string> names;
  for (SweepMethod& method : sweep.methods) {
    if (reach(method, given, name, option, registry)) reached = true;
    if (std::find(names.begin(), names.end(), method.name) == names.end()) {
      names.push_back(method.name);
    }
  }
  if (reached) return;
  given.refuse(fmt::format("no method of the sweep has a strategy '{}'; its methods: {}", name,
                           fmt::join(names, ", ")));
}

void set(Sweep& sweep, const Override& given, const StrategyRegistry& registry) {
  if (given.key == "seeds") {
    try {
      sweep.seeds = seeds_of(given.option);
      sweep.extra.clear();
    } catch (const Error& error) {
      given.refuse(error.what());
    }
  } else if (given.key == "stream.data" && given.option.values.size() != 1) {
    given.refuse("'data' takes one folder; put a path with commas into quotes");
  } else if (given.section == "train" && !given.rest.empty()) {
    sweep.training[given.rest] = given.option;
    for (SweepMethod& method : sweep.methods) {
      method.options.erase("train." + given.rest);
      method.tune.erase("train." + given.rest);
    }
  } else if (given.section == "stream" && !given.rest.empty()) {
    sweep.stream_options[given.rest] = given.option;
  } else if (given.section == "model" && !given.rest.empty()) {
    sweep.model_options[given.rest] = given.option;
  } else if (given.section == "method" && given.rest.find('.') != std::string::npos) {
    set_in_methods(sweep, given, registry);
  } else {
    given.refuse(
        fmt::format("unknown key '{}'; expected seeds, train.OPTION, stream.OPTION, model.OPTION "
                    "or method.STRATEGY.OPTION",
                    given.key));
  }
}

}  // namespace

std::string full_key(const SweepMethod& method, const std::string& key,
                     const StrategyRegistry& registry) {
  if (key.find('.') != std::string::npos) return key;
  std::vector<std::string> owners;
  for (const Named& one : strategies_of(method, registry)) {
    if (has_option(registry, one.strategy, key)) owners.push_back(one.strategy);
  }
  return owners.size() == 1 ? owners[0] + "." + key : key;
}

Sweep with_overrides(Sweep sweep, const std::vector<std::string>& overrides,
                     const StrategyRegistry& registry) {
  for (const std::string& given : overrides) set(sweep, taken_apart(given), registry);
  return sweep;
}

}  // namespace lethe
