// Norm tuning: only the normalisation layers are trained, weights and, where they have one, biases.
// Source: Zhao et al. 2023, arXiv:2312.11420, peft's LN tuning.
#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class NormTuning : public Strategy {
 public:
  struct Options {
    std::string targets = "all";
    std::string modules_to_save;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("targets", targets, any(), "all, or normalisation layers by name ending: ln_1,ln_f");
      visit("modules_to_save", modules_to_save, any(),
            "seams trained whole, by name ending: lm_head");
    }
  };
  explicit NormTuning(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    const auto train_norm = [](Seam& seam) {
      if (seam.kind() != SeamKind::norm) return false;
      seam.set_trainable(true);
      return true;
    };
    if (!train_only(setup.model, options_.targets, train_norm)) {
      fail(
          "norm-tuning: the model has no normalisation layer of targets '{}'; it has: {}; choose "
          "the model 'decoder', or bitfit or lora",
          options_.targets, seam_names(setup.model));
    }
    train_whole("norm-tuning", setup.model, options_.modules_to_save);
  }

 private:
  Options options_;
};

}  // namespace

void add_norm_tuning(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "norm-tuning";
  entry.role = Role::adapter;
  entry.summary = "Trains the normalisation layers alone.";
  entry.source = "Zhao et al. 2023, arXiv:2312.11420";
  entry.verified = "names and counts by hand; peft 0.21 gradients (tests/norm_tuning_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"targets",
       "All normalisation layers, weights and biases, as in the paper's LayerNorm tuning and "
       "peft's LN tuning."}};
  registry.add<NormTuning>(std::move(entry));
}

}  // namespace lethe
