// BitFit: only the biases are trained, of Linears and of normalisation layers.
// The paper also trains the classification layer of each task; here that is modules_to_save =
// classifier, so that one shared head is not the only thing that forgets.
// Source: Ben Zaken, Ravfogel & Goldberg 2021, arXiv:2106.10199.
#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class BitFit : public Strategy {
 public:
  struct Options {
    std::string targets = "all";
    std::string modules_to_save;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("targets", targets, any(), "all, or seams by name ending: q_proj,fc1");
      visit("modules_to_save", modules_to_save, any(),
            "seams trained whole, by name ending: classifier");
    }
  };
  explicit BitFit(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    if (!train_only(setup.model, options_.targets, train_bias)) {
      fail("bitfit: no seam of targets '{}' has a bias; the model has: {}; choose lora or ia3",
           options_.targets, seam_names(setup.model));
    }
    train_whole("bitfit", setup.model, options_.modules_to_save);
  }

 private:
  Options options_;
};

}  // namespace

void add_bitfit(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "bitfit";
  entry.role = Role::adapter;
  entry.summary = "Trains the biases alone.";
  entry.source = "Ben Zaken et al. 2021, arXiv:2106.10199";
  entry.verified = "names and counts by hand; finetune's first gradient on the biases";
  entry.neutral.exists = false;
  entry.readings = {
      {"modules_to_save",
       "The paper trains a task's classification layer beside the biases; by default only "
       "biases are trained, so that one shared head is not what forgets."}};
  registry.add<BitFit>(std::move(entry));
}

}  // namespace lethe
