// Freezing: only some of the pretrained layers are trained.
//   layers = k    the last k layers: blocks, where names have a number (h.0), or else Linears; what
//                 stands after the last block counts to it (final norm, head), what stands before
//                 the first block (embeddings) is frozen
//   trained       or: the seams that these name endings name
//   frozen        or: all but the seams that these name endings name
// Freezes only: what another strategy froze stays so, and beside an adapter the frozen seams'
// adapters are frozen too. A head that is tied to the embedding is frozen with it. Source: Yosinski
// et al. 2014, arXiv:1411.1792.
#include <algorithm>

#include "core/error.h"
#include "core/formats/peft_targets.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

/// The layers from the input on, without what stands before the first block.
std::vector<std::vector<Seam*>> layers_of(Model& model) {
  const std::vector<Seam*> seams = model.seams();
  const bool blocks = std::any_of(seams.begin(), seams.end(),
                                  [](Seam* seam) { return !block_of(seam->name()).empty(); });
  std::vector<std::vector<Seam*>> layers;
  std::string present;
  for (Seam* seam : seams) {
    const std::string block = blocks ? block_of(seam->name()) : seam->name();
    if (!block.empty() && block != present) {
      layers.emplace_back();
      present = block;
    }
    if (!layers.empty()) layers.back().push_back(seam);
  }
  return layers;
}

class Freeze : public Strategy {
 public:
  struct Options {
    int64_t layers = 1;
    std::string trained;
    std::string frozen;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("layers", layers, at_least(0), "train the last so many; 0 = not by layer");
      visit("trained", trained, any(), "with layers = 0: train only these, by name ending");
      visit("frozen", frozen, any(), "with layers = 0: freeze these, by name ending");
    }
  };
  explicit Freeze(const Options& options) : options_(options) {
    if (options.layers > 0 && !(options.trained + options.frozen).empty()) {
      fail("freeze: layers = {} and {} = '{}' both say what is trained; set layers = 0 to name it",
           options.layers, options.trained.empty() ? "frozen" : "trained",
           options.trained.empty() ? options.frozen : options.trained);
    }
    if (!options.trained.empty() && !options.frozen.empty()) {
      fail("freeze: trained = '{}' and frozen = '{}' both say what is trained; give one",
           options.trained, options.frozen);
    }
  }

  void prepare(Setup& setup) override { freeze(setup.model); }
  /// Adapters may have been added since.
  void adapt(Setup& setup, int64_t) override { freeze(setup.model); }

 private:
  void freeze(Model& model) const {
    const std::vector<Seam*> kept = options_.layers > 0 ? last_layers(model) : by_name(model);
    for (Seam* seam : model.seams()) {
      if (std::find(kept.begin(), kept.end(), seam) != kept.end()) continue;
      seam->parameters([](const std::string&, Tensor& value) { value.set_requires_grad(false); });
    }
  }

  std::vector<Seam*> last_layers(Model& model) const {
    const auto layers = layers_of(model);
    const auto count = static_cast<int64_t>(layers.size());
    if (options_.layers > count) {
      fail("freeze: layers = {}, but the model has {}; give at most that, or 0 to train all",
           options_.layers, count);
    }
    std::vector<Seam*> kept;
    for (auto layer = layers.end() - options_.layers; layer != layers.end(); ++layer) {
      kept.insert(kept.end(), layer->begin(), layer->end());
    }
    return kept;
  }

  std::vector<Seam*> by_name(Model& model) const {
    const std::vector<Seam*> seams = model.seams();
    const bool train = !options_.trained.empty();
    const std::string& endings = train ? options_.trained : options_.frozen;
    if (endings.empty()) return seams;
    std::vector<Seam*> kept;
    for (Seam* seam : seams) {
      if (ends_with_one_of(seam->name(), endings) == train) kept.push_back(seam);
    }
    if (kept.size() == (train ? 0 : seams.size())) {
      fail("freeze: no seam ends with one of {} '{}'; the model has: {}",
           train ? "trained" : "frozen", endings, seam_names(model));
    }
    return kept;
  }

  Options options_;
};

}  // namespace

void add_freeze(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "freeze";
  entry.role = Role::freezing;
  entry.summary = "Trains the last layers, or named ones, and freezes the rest.";
  entry.source = "Yosinski et al. 2014, arXiv:1411.1792";
  entry.verified = "names and counts by hand; frozen values keep their bits";
  entry.neutral.options = {{"layers", "0"}};
  entry.readings = {
      {"layers",
       "Counted from the output; what stands before the first block (embeddings) is frozen "
       "as well. Papers differ on whether the head counts: here it is a layer."}};
  registry.add<Freeze>(std::move(entry));
}

}  // namespace lethe
