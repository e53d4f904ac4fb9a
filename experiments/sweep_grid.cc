#include "experiments/sweep_grid.h"

#include <algorithm>

#include "core/error.h"

namespace lethe {

std::vector<Combination> combinations(const Grid& grid) {
  std::vector<Combination> all = {{}};
  for (const auto& [key, option] : grid) {
    std::vector<Combination> next;
    for (const Combination& before : all) {
      for (const std::string& value : option.values) {
        Combination one = before;
        one.options[key] = value;
        if (option.values.size() > 1) one.varying += fmt::format(" {}={}", key, value);
        next.push_back(std::move(one));
      }
    }
    all = std::move(next);
  }
  return all;
}

void at_line(const Sweep& sweep, int64_t line, const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& error) {
    fail_at(sweep, line, error.what());
  }
}

void check_names(const Sweep& sweep, const std::string& section, const Grid& grid,
                 const std::vector<OptionDoc>& docs) {
  std::vector<std::string> known;
  for (const OptionDoc& doc : docs) known.push_back(doc.name);
  std::sort(known.begin(), known.end());
  for (const auto& [key, option] : grid) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    at_line(sweep, option.line, [&, name = key] {
      fail("unknown key '{}' in {}; known keys: {}", name, section, fmt::join(known, ", "));
    });
  }
}

void check_values(const Sweep& sweep, const Grid& grid,
                  const std::function<void(const OptionMap&)>& complete) {
  for (const auto& [key, option] : grid) {
    for (const std::string& value : option.values) {
      at_line(sweep, option.line, [&, name = key] { complete({{name, value}}); });
    }
  }
}

OptionMap take(OptionMap& options, const std::string& prefix) {
  OptionMap taken;
  for (auto it = options.begin(); it != options.end();) {
    if (it->first.rfind(prefix, 0) == 0) {
      taken[it->first.substr(prefix.size())] = it->second;
      it = options.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

void overlay(OptionMap& base, const OptionMap& over) {
  for (const auto& [key, value] : over) base[key] = value;
}

bool holds(const Grid& when, const OptionMap& stream) {
  for (const auto& [key, option] : when) {
    const auto found = stream.find(key);
    const std::string value = found == stream.end() ? "" : found->second;
    if (std::find(option.values.begin(), option.values.end(), value) == option.values.end())
      return false;
  }
  return true;
}

StreamRequest request_for(const Sweep& sweep, const OptionMap& options) {
  StreamRequest request;
  request.name = sweep.stream;
  request.options = options;
  request.texts = sweep.texts;
  request.probes = sweep.probes;
  return request;
}

}  // namespace lethe
