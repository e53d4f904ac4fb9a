#include "core/registry.h"

#include <algorithm>
#include <sstream>

#include "core/error.h"

namespace lethe {

const char* role_name(Role role) {
  switch (role) {
    case Role::adapter:
      return "adapter";
    case Role::freezing:
      return "freezing";
    case Role::regulariser:
      return "regulariser";
    case Role::data:
      return "data";
    default:
      return "distillation";
  }
}

void StrategyRegistry::add_entry(StrategyEntry entry) {
  const std::string name = entry.name;
  entry.plugin = plugin_;
  entry.make = [inner = entry.make, entry](const OptionMap& given) {
    check_conditions(entry.name, entry.docs(), entry.conditions, entry.complete(given));
    return inner(given);
  };
  if (aliases_.count(name) != 0 || !entries_.emplace(name, std::move(entry)).second) {
    fail("method '{}' is there already; give the new one another name", name);
  }
}

void StrategyRegistry::add_alias(Alias alias) {
  const std::string name = alias.name;
  if (entries_.count(name) != 0 || !aliases_.emplace(name, std::move(alias)).second) {
    fail("method '{}' is there already; give the new alias another name", name);
  }
}

const StrategyEntry& StrategyRegistry::at(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : entries_) known.push_back(entry.first);
  for (const auto& alias : aliases_) known.push_back(alias.first);
  std::sort(known.begin(), known.end());
  fail("unknown method '{}'; known methods: {}", name, fmt::join(known, ", "));
}

namespace {

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::stringstream stream(text);
  for (std::string name; std::getline(stream, name, '+');) names.push_back(name);
  if (names.empty() || text.back() == '+') {
    fail("method '{}' has an empty name; write names joined by '+', e.g. lora+ewc", text);
  }
  return names;
}

void add_part(MethodSpec& spec, const StrategyRegistry& registry, const Part& part,
              const std::string& text) {
  const StrategyEntry& entry = registry.at(part.name);
  for (const Part& other : spec.parts) {
    const Role role = registry.at(other.name).role;
    if (other.name == part.name) fail("method '{}' has '{}' twice; name it once", text, part.name);
    if (role == entry.role && (role == Role::adapter || role == Role::data)) {
      fail("method '{}' has two strategies of role {}, '{}' and '{}'; keep one", text,
           role_name(role), other.name, part.name);
    }
  }
  spec.parts.push_back(part);
}

bool has_option(const StrategyEntry& entry, const std::string& option) {
  const auto docs = entry.docs();
  return std::any_of(docs.begin(), docs.end(),
                     [&](const OptionDoc& doc) { return doc.name == option; });
}

/// Whether something is trained through all tasks.
bool shares_parameters(const StrategyEntry& entry, const OptionMap& given) {
  if (!entry.new_parameters_each_task) return true;
  const OptionMap options = entry.complete(given);
  const auto set = [&](const char* name, const char* off) {
    const auto found = options.find(name);
    return found != options.end() && found->second != off;
  };
  return set("modules_to_save", "") || set("bias", "none");
}

/// Where "lambda" belongs when it is not written "ewc.lambda".
Part& owner_of(MethodSpec& spec, const StrategyRegistry& registry, const std::string& text,
               const std::string& option) {
  Part* owner = nullptr;
  for (Part& part : spec.parts) {
    if (!has_option(registry.at(part.name), option)) continue;
    if (owner != nullptr) {
      fail("option '{}' of method '{}' belongs to both '{}' and '{}'; write '{}.{}'", option, text,
           owner->name, part.name, part.name, option);
    }
    owner = &part;
  }
  if (owner != nullptr) return *owner;
  if (spec.parts.size() == 1) return spec.parts[0];  // its own message lists the known options
  std::vector<std::string> known;
  for (const Part& part : spec.parts) {
    for (const OptionDoc& doc : registry.at(part.name).docs()) {
      known.push_back(part.name + "." + doc.name);
    }
  }
  fail("unknown option '{}' of method '{}'; known options: {}", option, text,
       known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

void give(MethodSpec& spec, const StrategyRegistry& registry, const std::string& text,
          const OptionMap& options) {
  for (const auto& [key, value] : options) {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) {
      owner_of(spec, registry, text, key).options[key] = value;
      continue;
    }
    const std::string name = key.substr(0, dot);
    const auto part = std::find_if(spec.parts.begin(), spec.parts.end(),
                                   [&](const Part& p) { return p.name == name; });
    if (part == spec.parts.end()) {
      std::vector<std::string> names;
      for (const Part& p : spec.parts) names.push_back(p.name);
      fail("option '{}' is for '{}', which method '{}' does not have; it has: {}", key, name, text,
           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
    }
    part->options[key.substr(dot + 1)] = value;
  }
}

}  // namespace

MethodSpec parse_method(const StrategyRegistry& registry, const std::string& text,
                        const OptionMap& options) {
  MethodSpec spec;
  for (const std::string& name : split_names(text)) {
    const auto alias = registry.aliases().find(name);
    if (alias == registry.aliases().end()) {
      add_part(spec, registry, {name, {}}, text);
      continue;
    }
    for (const Part& part : alias->second.parts) add_part(spec, registry, part, text);
    for (const auto& [key, value] : alias->second.model) spec.model[key] = value;
  }
  give(spec, registry, text, options);
  std::sort(spec.parts.begin(), spec.parts.end(), [&](const Part& a, const Part& b) {
    const Role first = registry.at(a.name).role, second = registry.at(b.name).role;
    return first != second ? first < second : a.name < b.name;
  });
  for (Part& part : spec.parts) {
    const StrategyEntry& entry = registry.at(part.name);
    part.options = entry.complete(part.options);
    part.plugin = entry.plugin;
  }
  return spec;
}

void check_conditions(const StrategyRegistry& registry, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    const StrategyEntry& entry = registry.at(part.name);
    check_conditions(entry.name, entry.docs(), entry.conditions, entry.complete(part.options));
  }
  for (const Part& adapter : parts) {
    if (shares_parameters(registry.at(adapter.name), adapter.options)) continue;
    for (const Part& other : parts) {
      if (registry.at(other.name).role != Role::regulariser) continue;
      fail(
          "{0} trains other parameters in each task, and {1} holds what earlier tasks trained: it "
          "would do nothing; leave one of them out, or name a seam that all tasks train in "
          "{0}.modules_to_save",
          adapter.name, other.name);
    }
  }
}

Method make_method(const StrategyRegistry& registry, const std::vector<Part>& parts) {
  Method method;
  for (const Part& part : parts) {
    method.names.push_back(part.name);
    method.strategies.push_back(registry.at(part.name).make(part.options));
  }
  return method;
}

}  // namespace lethe
