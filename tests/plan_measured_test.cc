// Memory plans against what the meter sees: states to the byte, peaks of a step.
#include "tests/catch.h"
// After Catch.
#include "core/adapters/low_rank.h"
#include "core/arena.h"
#include "core/dense_product.h"
#include "core/loss.h"
#include "core/models/pretrained.h"
#include "core/plan/plan.h"
#include "tests/plan_configs.h"

using namespace lethe;

namespace {

constexpr int64_t kRows = 4, kLength = 96, kVocabulary = 500;

at::Generator seeded() { return at::make_generator<at::CPUGeneratorImpl>(7); }

std::unique_ptr<Model> model_of(const HfConfig& config, const std::string& method) {
  const MemoryTag tag(Category::base_weights);
  PretrainedMaking making;
  making.weights = making.head = seeded();
  auto model = pretrained_family(config).make(config, making);
  if (method == "finetune") return model;
  model->set_trainable(false);
  LowRankOptions options;
  for (Linear* seam : model->linears()) {
    if (seam->kind() != SeamKind::linear) continue;
    if (method == "qlora") seam->set_format("nf4");
    seam->add_adapter(std::make_shared<LowRankAdapter>(options, *seam, *model, seeded()));
  }
  return model;
}

/// Rows of equal length; `each` positions of a row are predicted.
Batch batch_for(plan::Form form, int64_t each) {
  const MemoryTag tag(Category::workspace);
  const auto ids = [] {
    return at::empty({kRows, kLength}, at::kLong).random_(0, kVocabulary, seeded());
  };
  Batch batch;
  batch.inputs = ids();
  if (form == plan::Form::seq2seq) batch.decoder_inputs = ids();
  const int64_t predicted = form == plan::Form::encoder ? kRows : kRows * each;
  batch.targets = at::zeros({predicted}, at::kLong);
  batch.row_ids = at::arange(kRows, at::kLong);
  if (form == plan::Form::encoder) return batch;
  batch.positions = at::arange(predicted, at::kLong) * (kLength / each);
  batch.row_of = at::div(batch.positions, kLength, "floor");
  return batch;
}

struct Measured {
  int64_t states = 0, peak = 0;
};

/// The trainer's forward and backward pass over a model whose states are laid out.
Measured measured(const HfConfig& config, plan::Form form, const std::string& method,
                  int64_t each) {
  install_memory_meter();
  const int64_t before = live_bytes();
  const auto model = model_of(config, method);
  Arena arena;
  arena.lay_out(*model);
  const Twin first = arena.twin("optimizer.first", Category::optimizer);
  const Twin second = arena.twin("optimizer.second", Category::optimizer);
  Measured made;
  made.states = live_bytes() - before;
  const Batch batch = batch_for(form, each);
  reset_phases();
  begin_phase("train");
  {
    const MemoryTag tag(Category::activations);
    const Tensor logits = model->forward(batch);
    const Tensor loss = task_loss(logits, batch);
    const AddingGradients adding;
    torch::autograd::backward({loss}, {});
  }
  for (const Usage& row : usage_by_phase()) {
    if (row.phase == "train" && row.device == "host") made.peak += row.at_peak;
  }
  made.peak -= before;
  return made;
}

struct Shape {
  std::string name, config;
};

std::vector<Shape> shapes() {
  const std::string sizes = R"("vocab_size": 500, "hidden_size": 128, "num_attention_heads": 4,
                               "num_hidden_layers": 3)";
  const std::string t5 = R"("vocab_size": 500, "d_model": 128, "d_kv": 32, "d_ff": 320,
                            "num_layers": 2, "num_heads": 4)";
  return {
      {"gpt2", R"({"model_type": "gpt2", "n_positions": 128, )" + sizes + "}"},
      {"opt", R"({"model_type": "opt", "ffn_dim": 512, )" + sizes + "}"},
      {"bloom", R"({"model_type": "bloom", )" + sizes + "}"},
      {"llama", R"({"model_type": "llama", "intermediate_size": 344, "num_key_value_heads": 2, )" +
                    sizes + "}"},
      {"t5", R"({"model_type": "t5", )" + t5 + "}"},
      {"mt5", R"({"model_type": "mt5", "feed_forward_proj": "gated-gelu", )" + t5 + "}"},
      {"bert", R"({"model_type": "bert", "intermediate_size": 512, )" + sizes + "}"},
  };
}

}  // namespace

TEST_CASE("a plan's states are the meter's to the byte, and its peak is within half a percent") {
  for (const Shape& shape : shapes()) {
    const HfConfig config = HfConfig::parse(shape.config, "config.json");
    const plan::ModelFacts facts = model_facts(config);
    for (const std::string method : {"finetune", "lora", "qlora"}) {
      // All positions, where the peak is the loss's, and one, where it lies within the blocks.
      for (const int64_t each : {kLength, int64_t{1}}) {
        CAPTURE(shape.name, method, each);
        const plan::Account planned =
            plan::account(facts, even_request(method, kRows, kLength, each));
        const Measured seen = measured(config, facts.form, method, each);
        CAPTURE(planned.moment, planned.peak(), seen.peak);
        CHECK(planned.states == seen.states);
        CHECK(static_cast<double>(planned.peak()) ==
              Approx(static_cast<double>(seen.peak)).epsilon(0.005));
        CHECK(static_cast<double>(planned.peak() - planned.states) ==
              Approx(static_cast<double>(seen.peak - seen.states)).epsilon(0.005));
      }
    }
  }
}
