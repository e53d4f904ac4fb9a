// Prompt tuning: the model is frozen, k virtual tokens stand before every sequence and are trained.
//   x = [P; E(tokens)],   P (k, width)
// The virtual tokens take the first k positions; they are set before the first task, so that the
// scores before training are already read behind them. `initial` = vocabulary takes the embeddings
// of k tokens drawn from the vocabulary, uniform draws in +-0.5.
// Needs a model of tokens: a perceptron has no place for them.
// Source: Lester, Al-Rfou & Constant 2021, arXiv:2104.08691.
#include "core/prompt.h"

#include "core/error.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class PromptTuning : public Strategy {
 public:
  struct Options {
    int64_t tokens = 10;
    std::string initial = "vocabulary";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("tokens", tokens, at_least(1), "virtual tokens before every sequence");
      visit("initial", initial, one_of({"vocabulary", "uniform"}),
            "embeddings of random tokens, or values in +-0.5");
    }
  };
  explicit PromptTuning(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    for (Seam* seam : setup.model.seams()) {
      if (auto* prompt = dynamic_cast<Prompt*>(seam)) prompt_ = prompt;
    }
    if (prompt_ == nullptr) {
      fail(
          "prompt: virtual tokens need a model of tokens, but this one has: {}; choose the model "
          "'decoder' with a text stream, or lora",
          seam_names(setup.model));
    }
    const int64_t needed = options_.tokens + setup.stream.longest;
    if (prompt_->room() > 0 && needed > prompt_->room()) {
      fail(
          "prompt: {} virtual tokens and rows of {} need {} positions, but the model has {}; raise "
          "the model's max_length or lower tokens",
          options_.tokens, setup.stream.longest, needed, prompt_->room());
    }
    setup.model.set_trainable(false);
  }

  void adapt(Setup& setup, int64_t) override {
    if (prompt_->size() > 0) return;
    const MemoryTag tag(Category::adapters);
    Tensor rows = drawn(setup.generator);
    rows.set_requires_grad(true);
    prompt_->set(rows);
  }

 private:
  Tensor drawn(const at::Generator& generator) const {
    const at::NoGradGuard no_grad;
    const Tensor& table = prompt_->tokens().weight();
    if (options_.initial == "uniform") {
      return at::empty({options_.tokens, table.size(1)}, at::kFloat).uniform_(-0.5, 0.5, generator);
    }
    const Tensor ids = at::empty({options_.tokens}, at::kLong)
                           .random_(0, table.size(0), generator)
                           .to(table.device());
    return table.index_select(0, ids);
  }

  Options options_;
  Prompt* prompt_ = nullptr;
};

}  // namespace

void add_prompt(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "prompt";
  entry.role = Role::adapter;
  entry.summary = "Trains virtual tokens before every sequence of a frozen decoder.";
  entry.source = "Lester et al. 2021, arXiv:2104.08691";
  entry.verified = "peft 0.21: logits and gradient (tests/prompt_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"initial",
       "Embeddings of random tokens, which the paper finds better than values in +-0.5 "
       "(`uniform`)."},
      {"-",
       "The prompt goes through all tasks. A prompt a task, found by the task's name at test "
       "time, is another method (progressive prompts, L2P)."}};
  registry.add<PromptTuning>(std::move(entry));
}

}  // namespace lethe
