// (IA)^3: learned vectors scale the keys, the values and the MLP's inner activation.
//   k = l_k * (W_k x),   v = l_v * (W_v x),   mlp = W_down (l_ff * act(W_up x))
// All start at one: the logits do not change. A Linear that makes keys or values has its output
// scaled (bias included), one that reads the inner activation its input. `auto` finds them by name:
//   keys and values   k_proj, v_proj; k, v (T5, all attentions); key, value (BERT); where q, k and
//                     v are one Linear (c_attn, query_key_value) its whole output, as in peft:
//                     scaling a query is scaling its key
//   feed-forward      down_proj, mlp.c_proj, fc2, dense_4h_to_h, wo (T5), output.dense (BERT)
//   a perceptron      the inputs of every Linear after the first
// peft takes q_proj and k_proj for OPT; the paper's keys and values are the default here, and
// targets = q_proj,k_proj gives peft's. As in peft, BERT's output.dense is the attention's too.
// Source: Liu et al. 2022, arXiv:2205.05638.
#include "core/adapters/ia3.h"

#include "core/error.h"
#include "core/formats/peft_targets.h"
#include "methods/adapters.h"
#include "methods/methods.h"

namespace lethe {
namespace {

class Ia3 : public Strategy {
 public:
  struct Options {
    std::string targets = "auto";
    std::string feedforward = "auto";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("targets", targets, any(),
            "Linears whose output is scaled, by name ending; auto = keys and values");
      visit("feedforward", feedforward, any(),
            "Linears whose input is scaled, by name ending; auto = after the MLP's activation");
    }
  };
  explicit Ia3(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    setup.model.set_trainable(false);
    const std::vector<Linear*> linears = setup.model.linears();
    const bool perceptron = is_perceptron(setup.model);
    size_t adapted = 0;
    for (size_t i = 0; i < linears.size(); ++i) {
      const std::string& name = linears[i]->name();
      const bool output = chosen(name, options_.targets, ia3_keys_and_values(), false);
      const bool input =
          chosen(name, options_.feedforward, ia3_feed_forward(), perceptron && i > 0);
      if (output && input) {
        fail("ia3: '{}' is named by targets '{}' and by feedforward '{}'; name it in one of them",
             name, options_.targets, options_.feedforward);
      }
      if (!output && !input) continue;
      linears[i]->add_adapter(std::make_shared<Ia3Adapter>(*linears[i], input));
      ++adapted;
    }
    if (adapted == 0) {
      fail("ia3: no Linear is named by targets '{}' or feedforward '{}'; the model has: {}",
           options_.targets, options_.feedforward, seam_names(setup.model));
    }
  }

 private:
  /// A model none of whose Linears is known to make keys and values.
  static bool is_perceptron(Model& model) {
    for (Linear* seam : model.linears()) {
      if (is_target(seam->name(), ia3_keys_and_values())) return false;
    }
    return true;
  }

  static bool chosen(const std::string& name, const std::string& asked,
                     const std::vector<std::string>& known, bool perceptron) {
    if (asked != "auto") return ends_with_one_of(name, asked);
    return perceptron || is_target(name, known);
  }

  Options options_;
};

}  // namespace

void add_ia3(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "ia3";
  entry.role = Role::adapter;
  entry.summary = "Learned vectors scale keys, values and the MLP's inner activation.";
  entry.source = "Liu et al. 2022, arXiv:2205.05638";
  entry.verified = "peft 0.21 on LLaMA and GPT-2: logits and gradients (tests/ia3_test.cc)";
  entry.neutral.exists = false;
  entry.readings = {
      {"targets, feedforward",
       "Keys, values and the inner activation, as in the paper and in peft's defaults; a "
       "perceptron has no keys, so there every hidden activation is scaled."}};
  registry.add<Ia3>(std::move(entry));
}

}  // namespace lethe
