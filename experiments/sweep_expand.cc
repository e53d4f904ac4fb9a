#include <algorithm>
#include <filesystem>
#include <functional>

#include "core/digest.h"
#include "core/error.h"
#include "core/models/models.h"
#include "core/train.h"
#include "experiments/sweep.h"

namespace lethe {
namespace {

/// Every combination of the options' values, and the text of those that vary ("lambda=10").
struct Combination {
  OptionMap options;
  std::string varying;
};

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

/// Runs `check`, with FILE:LINE before the message of what it throws.
void at_line(const Sweep& sweep, int64_t line, const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& error) {
    fail_at(sweep, line, error.what());
  }
}

/// Unknown keys of one section, each at its own line.
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

/// Gives `complete` every value by itself, so that what it throws has the line of that option.
void check_values(const Sweep& sweep, const Grid& grid,
                  const std::function<void(const OptionMap&)>& complete) {
  for (const auto& [key, option] : grid) {
    for (const std::string& value : option.values) {
      at_line(sweep, option.line, [&, name = key] { complete({{name, value}}); });
    }
  }
}

struct MethodChoice {
  const SweepMethod* method;
  Combination chosen;
  int64_t position;
};

/// "train.lr" from a method's options: the part after `prefix`, and the others.
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

class Expansion {
 public:
  Expansion(const Sweep& sweep, const StrategyRegistry& registry)
      : sweep_(sweep), registry_(registry) {}

  std::vector<Trial> all() {
    check();
    for (const Combination& stream : combinations(sweep_.stream_options)) {
      StreamRequest request{sweep_.stream, stream.options, sweep_.texts};
      OptionMap complete;
      at_line(sweep_, sweep_.stream_line,
              [&] { complete = stream_entry(sweep_.stream).complete(request); });
      for (const Combination& model : combinations(sweep_.model_options)) {
        for (const Combination& training : combinations(sweep_.training)) {
          add_methods(request, complete, model.options, training);
        }
      }
    }
    if (trials_.empty()) {
      fail("{}: no trial: the 'when' of every method excludes the streams of this sweep",
           sweep_.path);
    }
    return std::move(trials_);
  }

 private:
  void check() {
    check_stream();
    at_line(sweep_, sweep_.model_line, [&] { model_entry(sweep_.model); });
    const auto& model = model_entry(sweep_.model);
    check_names(sweep_, "[model]", sweep_.model_options, model.docs());
    check_values(sweep_, sweep_.model_options, model.complete);
    check_names(sweep_, "[train]", sweep_.training, option_docs<TrainOptions>());
    check_values(sweep_, sweep_.training,
                 [](const OptionMap& given) { parse_options<TrainOptions>("train", given); });
    for (const SweepMethod& method : sweep_.methods) check_method(method);
  }

  void check_stream() {
    at_line(sweep_, sweep_.stream_line, [&] { stream_entry(sweep_.stream); });
    check_names(sweep_, "[stream]", sweep_.stream_options, stream_entry(sweep_.stream).docs());
    const auto data = sweep_.stream_options.find("data");
    const bool given = data != sweep_.stream_options.end();
    at_line(sweep_, given ? data->second.line : sweep_.stream_line, [&] { complete_stream({}); });
    check_values(sweep_, sweep_.stream_options,
                 [&](const OptionMap& options) { complete_stream(options); });
  }

  void complete_stream(const OptionMap& options) {
    StreamRequest request{sweep_.stream, options, sweep_.texts};
    const auto data = sweep_.stream_options.find("data");
    if (data != sweep_.stream_options.end()) request.options["data"] = data->second.values.at(0);
    stream_entry(sweep_.stream).complete(request);
  }

  void check_method(const SweepMethod& method) {
    at_line(sweep_, method.line, [&] { parse_method(registry_, method.name, {}); });
    check_values(sweep_, method.options, [&](OptionMap options) {
      parse_options<TrainOptions>("train", take(options, "train."));
      model_entry(sweep_.model).complete(take(options, "model."));
      parse_method(registry_, method.name, options);
    });
    check_names(sweep_, "when, the options of stream '" + sweep_.stream + "'", method.when,
                stream_entry(sweep_.stream).docs());
    check_values(sweep_, method.when, [&](const OptionMap& options) { complete_stream(options); });
  }

  void add_methods(const StreamRequest& request, const OptionMap& stream, const OptionMap& model,
                   const Combination& training) {
    int64_t position = 0;
    for (const SweepMethod& method : sweep_.methods) {
      ++position;
      if (!holds(method.when, stream)) continue;
      for (const Combination& chosen : combinations(method.options)) {
        at_line(sweep_, method.line, [&] {
          add_seeds(request, stream, model, training, {&method, chosen, position});
        });
      }
    }
  }

  void add_seeds(const StreamRequest& request, const OptionMap& stream, OptionMap model,
                 const Combination& training, MethodChoice choice) {
    Trial trial;
    OptionMap options = choice.chosen.options;
    OptionMap train = training.options;
    overlay(train, take(options, "train."));
    const OptionMap own_model = take(options, "model.");
    MethodSpec method = parse_method(registry_, choice.method->name, options);
    check_conditions(registry_, method.parts);
    digest_files(method.parts, trial.files);
    overlay(model, method.model);
    overlay(model, own_model);
    trial.spec.method = method.parts;
    trial.spec.model = {sweep_.model, model_entry(sweep_.model).complete(model)};
    trial.spec.stream = {sweep_.stream, stream};
    trial.spec.training = options_text(parse_options<TrainOptions>("train", train));
    const bool validation = trial.spec.training.at("evaluate") == "validation";
    // Only what is unusual is said, so that trials stored without it keep their text.
    if (!validation) trial.spec.training.erase("evaluate");
    trial.sweep = sweep_.name;
    trial.label = choice.method->label.empty() ? method_label(trial.spec) : choice.method->label;
    trial.label += choice.chosen.varying + training.varying;
    trial.stream = request;
    trial.stream_label = label_of(sweep_.stream, stream, stream_entry(sweep_.stream).docs());
    if (validation) trial.stream_label += " (validation rows)";  // never in one table with others
    OptionMap shown = trial.spec.model.options;
    shown.erase("base");  // methods on other bases stand in one table
    trial.model_label = label_of(sweep_.model, shown, model_entry(sweep_.model).docs());
    trial.position = choice.position;
    for (const int64_t seed : sweep_.seeds) {
      trial.spec.seed = seed;
      add(trial, choice.method->line);
    }
  }

  /// Contents decide a trial, paths do not: an option whose name ends in "_file" holds the digest
  /// from here on. Its path is relative to the sweep's folder.
  void digest_files(std::vector<Part>& parts, std::map<std::string, std::string>& files) const {
    for (Part& part : parts) {
      for (auto& [option, value] : part.options) {
        if (!option.ends_with("_file") || value.empty()) continue;
        const auto beside = std::filesystem::path(sweep_.path).parent_path() / value;
        const std::string digest = sha256_file(beside.string());
        files[digest] = beside.string();
        value = digest;
      }
    }
  }

  void add(const Trial& trial, int64_t line) {
    const std::string text = canonical_text(trial.spec);
    const auto [found, fresh] = seen_.emplace(text, Seen{trial.label, line});
    if (fresh) {
      trials_.push_back(trial);
    } else if (found->second.label != trial.label) {
      fail("'{}' is the same trial as '{}' of line {}; keep one", trial.label, found->second.label,
           found->second.line);
    }
  }

  struct Seen {
    std::string label;
    int64_t line;
  };
  const Sweep& sweep_;
  const StrategyRegistry& registry_;
  std::vector<Trial> trials_;
  std::map<std::string, Seen> seen_;
};

}  // namespace

void fail_at(const Sweep& sweep, int64_t line, const std::string& what) {
  if (line == 0) fail("{}", what);
  fail("{}:{}: {}", sweep.path, line, what);
}

std::vector<Trial> expand(const Sweep& sweep, const StrategyRegistry& registry) {
  return Expansion(sweep, registry).all();
}

}  // namespace lethe
