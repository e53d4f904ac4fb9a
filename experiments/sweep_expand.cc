#include <algorithm>
#include <filesystem>

#include "core/digest.h"
#include "core/error.h"
#include "core/models/models.h"
#include "core/train.h"
#include "experiments/model_tokenizer.h"
#include "experiments/start_adapter.h"
#include "experiments/sweep_grid.h"

namespace lethe {
namespace {

struct MethodChoice {
  const SweepMethod* method;
  Combination chosen;
  int64_t position;
};

/// "gpt2" of "/models/gpt2/".
std::string folder_name(const std::string& path) {
  const std::filesystem::path given(path);
  return (given.has_filename() ? given : given.parent_path()).filename().string();
}

/// Leaves out what trials did not say before there was a choice, so that they keep their text.
void say_only_the_unusual(TrialSpec& spec) {
  for (const auto& [key, usual] : {std::pair("evaluate", "test"), std::pair("sort", "none"),
                                   std::pair("pack", "0"), std::pair("levers", "none")}) {
    if (spec.training.at(key) == usual) spec.training.erase(key);
  }
  const auto leave_out = [](OptionMap& options, const char* key, const char* usual) {
    const auto found = options.find(key);
    if (found != options.end() && found->second == usual) options.erase(found);
  };
  leave_out(spec.stream.options, "pad", "0");
  OptionMap& model = spec.model.options;
  leave_out(model, "block", "64");
  leave_out(model, "skip", "none");
  // What a format does not have makes no trials that differ.
  const auto base = model.find("base");
  const std::string format = base == model.end() ? "float" : base->second;
  if (format == "float") model.erase("skip");
  if (!is_four_bit(format)) model.erase("block");
}

class Expansion {
 public:
  Expansion(const Sweep& sweep, const StrategyRegistry& registry, const TokenizerOf& tokenizer_of)
      : sweep_(sweep), registry_(registry), tokenizer_of_(tokenizer_of) {}

  std::vector<Trial> all() {
    check_sweep(sweep_, registry_);
    for (const Combination& stream : combinations(sweep_.stream_options)) {
      const StreamRequest request = request_for(sweep_, stream.options);
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
  void check_adapters(const OptionMap& model, const std::string& name, const MethodSpec& method) {
    for (const Part& part : method.parts) {
      check_start_adapter(model, name, registry_.at(part.name).role == Role::adapter);
    }
  }

  /// The sweep's seeds and what [[extra]] adds to them, each once.
  std::vector<int64_t> seeds_for(const std::string& method, const OptionMap& stream) const {
    std::vector<int64_t> seeds = sweep_.seeds;
    for (const ExtraSeeds& extra : sweep_.extra) {
      const auto& methods = extra.methods;
      const bool named =
          methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
      if (!named || !holds(extra.when, stream)) continue;
      for (const int64_t seed : extra.seeds) {
        if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
      }
    }
    return seeds;
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
    overlay(model, own_model);
    overlay(model, of_alias(choice.method->name, method.model, model));
    trial.spec.method = method.parts;
    trial.spec.model = {sweep_.model, complete_model(model_entry(sweep_.model), model)};
    check_adapters(trial.spec.model.options, choice.method->name, method);
    trial.spec.stream = {sweep_.stream, stream};
    trial.spec.training = options_text(parse_options<TrainOptions>("train", train));
    trial.sweep = sweep_.name;
    trial.label = own_label(*choice.method, trial.spec);
    trial.label += choice.chosen.varying + training.varying;
    trial.stream = request;
    trial.stream_label = label_of(sweep_.stream, stream, stream_entry(sweep_.stream).docs());
    if (trial.spec.training.at("evaluate") == "validation") {
      trial.stream_label += " (validation rows)";  // never in one table with others
    }
    say_only_the_unusual(trial.spec);
    name_model(trial, model);
    take_rows(trial);
    trial.position = choice.position;
    trial.keep = sweep_.keep;
    for (const int64_t seed : seeds_for(choice.method->shown(), stream)) {
      trial.spec.seed = seed;
      add(trial, choice.method->line);
    }
  }

  /// What an alias sets of the model, as qlora its base: nf4, or the 4-bit format that the sweep
  /// has.
  static OptionMap of_alias(const std::string& name, OptionMap alias, const OptionMap& given) {
    const auto base = alias.find("base");
    const auto said = given.find("base");
    if (base == alias.end() || said == given.end()) return alias;
    if (!is_four_bit(said->second)) {
      fail(
          "{} has a 4-bit base, but model.base is {}; leave it out, or name the method without the "
          "alias: lora",
          name, said->second);
    }
    base->second = said->second;
    return alias;
  }

  /// An alias by itself keeps its name: `joint` beside `multitask` is two methods to a reader.
  std::string own_label(const SweepMethod& method, const TrialSpec& spec) const {
    if (!method.label.empty()) return method.label;
    return registry_.aliases().count(method.name) > 0 ? method.name : method_label(spec);
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

  /// The model's label, and its part with paths in place of digests.
  void name_model(Trial& trial, const OptionMap& given) const {
    trial.model = trial.spec.model;
    OptionMap shown = trial.spec.model.options;
    shown.erase("adapter");
    shown.erase("base");  // methods on other bases stand in one table
    trial.model_label = label_of(sweep_.model, shown, model_docs(model_entry(sweep_.model)));
    const auto path = given.find("path");
    if (path != given.end()) {
      trial.model_label += " " + folder_name(path->second);
      trial.model.options.erase("checkpoint");
      trial.model.options["path"] = path->second;
    }
    const auto adapter = trial.model.options.find("adapter");
    if (adapter != trial.model.options.end()) {
      adapter->second = given.at("adapter");
      trial.model_label += fmt::format(" adapter={}", folder_name(adapter->second));
    }
  }

  /// Rows of text are made in the model's form, which its config.json decides, and with its
  /// tokenizer, whose digest decides them. The built-in one is part of the build.
  void take_rows(Trial& trial) {
    if (!stream_entry(sweep_.stream).text) return;
    auto found = read_.find(trial.model.options);
    if (found == read_.end()) {
      const ModelTokenizer its =
          tokenizer_of_ ? tokenizer_of_(trial.model) : model_tokenizer(trial.model, sweep_.stream);
      found = read_.emplace(trial.model.options, Read{its, model_rows(trial.model)}).first;
    }
    const auto& [its, rows] = found->second;
    trial.stream.tokenizer = its.tokenizer;
    trial.stream.rows = rows;
    if (!its.digest.empty()) trial.spec.stream.options["tokenizer_sha256"] = its.digest;
    const auto pack = trial.spec.training.find("pack");
    if (pack == trial.spec.training.end() || rows.form == RowForm::text) return;
    fail(
        "train.pack = {} puts several rows into one sequence, which {} can't keep apart; set it "
        "to 0",
        pack->second, rows.model);
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
  const TokenizerOf& tokenizer_of_;
  struct Read {
    ModelTokenizer tokenizer;
    ModelRows rows;
  };
  std::map<OptionMap, Read> read_;  // by the model's options
  std::vector<Trial> trials_;
  std::map<std::string, Seen> seen_;
};

}  // namespace

void fail_at(const Sweep& sweep, int64_t line, const std::string& what) {
  if (line == 0) fail("{}", what);
  fail("{}:{}: {}", sweep.path, line, what);
}

std::vector<Trial> expand(const Sweep& sweep, const StrategyRegistry& registry,
                          const TokenizerOf& tokenizer_of) {
  return Expansion(sweep, registry, tokenizer_of).all();
}

}  // namespace lethe
