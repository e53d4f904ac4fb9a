// What is checked of a sweep before any of its trials is made.
#include <algorithm>

#include "core/error.h"
#include "core/models/models.h"
#include "core/plan/request.h"
#include "core/train.h"
#include "experiments/start_adapter.h"
#include "experiments/sweep_grid.h"

namespace lethe {
namespace {

class Check {
 public:
  Check(const Sweep& sweep, const StrategyRegistry& registry)
      : sweep_(sweep), registry_(registry) {}

  void all() {
    check_stream();
    at_line(sweep_, sweep_.model_line, [&] { model_entry(sweep_.model); });
    check_names(sweep_, "[model]", sweep_.model_options, model_docs(model_entry(sweep_.model)));
    check_values(sweep_, sweep_.model_options, [&](const OptionMap& given) { check_model(given); });
    check_names(sweep_, "[train]", sweep_.training, option_docs<TrainOptions>());
    check_values(sweep_, sweep_.training, check_training);
    for (const SweepMethod& method : sweep_.methods) check_method(method);
    for (const ExtraSeeds& extra : sweep_.extra) check_extra(extra);
  }

 private:
  void check_extra(const ExtraSeeds& extra) {
    check_when(extra.when);
    std::vector<std::string> known;
    for (const SweepMethod& method : sweep_.methods) {
      if (std::find(known.begin(), known.end(), method.shown()) == known.end()) {
        known.push_back(method.shown());
      }
    }
    for (const std::string& name : extra.methods) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      at_line(sweep_, extra.line, [&] {
        fail("[[extra]] names '{}', which is no method here; its methods: {}", name,
             fmt::join(known, ", "));
      });
    }
  }

  void check_when(const Grid& when) {
    check_names(sweep_, "when, the options of stream '" + sweep_.stream + "'", when,
                stream_entry(sweep_.stream).docs());
    check_values(sweep_, when, [&](const OptionMap& options) { complete_stream(options); });
  }

  /// Words of levers too; what excludes what is for the preflight, which has all options.
  static void check_training(const OptionMap& given) {
    plan::parse_levers(parse_options<TrainOptions>("train", given).levers);
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
    StreamRequest request = request_for(sweep_, options);
    const auto data = sweep_.stream_options.find("data");
    if (data != sweep_.stream_options.end()) request.options["data"] = data->second.values.at(0);
    stream_entry(sweep_.stream).complete(request);
  }

  /// A model's other options are checked with the paths that the sweep gives it, and without
  /// weights where it is to have none.
  void check_model(OptionMap options) {
    const auto init = sweep_.model_options.find("init");
    if (init != sweep_.model_options.end() && init->second.values.at(0) == "random") {
      options.emplace("init", "random");
    }
    for (const char* key : {"path", "adapter"}) {
      const auto path = sweep_.model_options.find(key);
      if (path != sweep_.model_options.end()) options.emplace(key, path->second.values.at(0));
    }
    complete_model(model_entry(sweep_.model), options);
  }

  void check_method(const SweepMethod& method) {
    at_line(sweep_, method.line, [&] { parse_method(registry_, method.name, {}); });
    check_values(sweep_, method.options, [&](OptionMap options) {
      check_training(take(options, "train."));
      check_model(take(options, "model."));
      parse_method(registry_, method.name, options);
    });
    check_when(method.when);
  }

  const Sweep& sweep_;
  const StrategyRegistry& registry_;
};

}  // namespace

void check_sweep(const Sweep& sweep, const StrategyRegistry& registry) {
  Check(sweep, registry).all();
}

}  // namespace lethe
