// QLoRA as bitsandbytes, transformers and peft trained it (../shared/fixtures/qlora): 4-bit folders
// with their adapters, logits, gradients and five AdamW steps.
#include "tests/catch.h"
// After Catch.
#include "core/quantised_weight.h"
#include "tests/peft_folder_case.h"
#include "tests/seq2seq_case.h"

using namespace lethe;

namespace {

/// What a state dict of bitsandbytes is in a folder: the float model's config.json with what
/// transformers says of the quantisation.
std::string quantised_config(const std::filesystem::path& hf, const nlohmann::json& facts) {
  nlohmann::json config = json_of(hf / "config.json");
  config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                   {"load_in_4bit", true},
                                   {"bnb_4bit_quant_type", facts.at("quant_type")},
                                   {"bnb_4bit_use_double_quant", facts.at("double_quant")},
                                   {"llm_int8_skip_modules", facts.at("not_quantised")}};
  return config.dump();
}

/// The weight as bitsandbytes' CPU library of these fixtures dequantised it, which is not what it
/// stores where rows are no multiple of a block: there a row has in / 64 scales, rounded down, and
/// begins with a new one. Its GPU kernels, its reference and the spec count blocks through all
/// elements.
Tensor as_computed_there(const FourBitTensor& stored, int64_t out, int64_t in) {
  const std::vector<float> scales = stored.scales();
  const float* values = kernels::four_bit_values(stored.format);
  Tensor made = at::empty({out, in}, at::kFloat);
  float* to = made.data_ptr<float>();
  for (int64_t i = 0; i < out * in; ++i) {
    const int64_t row = i / in, block = row * (in / stored.block) + i % in / stored.block;
    const uint8_t pair = stored.packed[i / 2];
    to[i] = values[i % 2 == 0 ? pair >> 4 : pair & 15] * scales[static_cast<size_t>(block)];
  }
  return made;
}

/// T5's `wo` of these fixtures: transformers gives it what it reads in the dtype of its weight,
/// which is uint8 for codes, and bitsandbytes returns that dtype. No gradient passes. (transformers
/// itself never quantises `wo`.)
class InBytes : public Adapter {
 public:
  Tensor input(const Tensor& x) const override { return cast(x); }
  Tensor output(const Tensor&, const Tensor& so_far) const override { return cast(so_far); }
  void parameters(const ParameterVisitor&) override {}
  void merge(Tensor&, Tensor&) const override {}

 private:
  static Tensor cast(const Tensor& x) { return x.to(at::kByte).to(at::kFloat); }
};

struct QloraCase {
  QloraCase(const std::filesystem::path& fixtures, const std::string& name)
      : golden(fixtures / "qlora" / name) {
    const std::string base = golden.json.at("base");
    const auto hf = golden.folder.parent_path() / base;
    scratch.write("config.json", quantised_config(hf, golden.json));
    scratch.write("model.safetensors",
                  file_bytes((golden.folder / "model_bnb4bit.safetensors").string()));
    model = open_folder(scratch);
    const PeftFamily& family = peft_family(HfConfig::read(scratch.folder()).model_type());
    learned = read_peft(golden.folder.string(), *model, family).learned;
    t5 = name.starts_with("t5");
    take_rows();
  }

  /// Weights whose rows are no multiple of a block as those logits were computed. Returns how many
  /// are left as Lethe has them.
  size_t compute_as_there() {
    size_t left = 0;
    for (Linear* linear : model->linears()) {
      if (linear->base().format() == std::string("float")) continue;
      Tensor codes;
      const FourBitTensor stored = four_bit_tensor(linear->base(), &codes);
      const int64_t out = linear->out_features(), in = linear->in_features();
      const Tensor computed = as_computed_there(stored, out, in);
      const auto theirs = golden.expected.find("dequant." + linear->name() + ".weight");
      if (theirs != golden.expected.end()) CHECK(computed.equal(theirs->second));
      if (in % stored.block == 0) {
        ++left;
        CHECK(linear->base().dense().equal(computed));
      } else {
        linear->set_base(make_dense(computed));
      }
    }
    model->set_trainable(false);
    for (Linear* linear : model->linears()) {
      if (has_ending(linear->name(), "wo")) linear->add_adapter(std::make_shared<InBytes>());
    }
    return left;
  }

  void take_rows() {
    if (t5) {
      counted = with_labels(golden.batch, golden.expected.at("labels"), 0, 0);
      all = every_position(counted);
      return;
    }
    const FixtureRows rows(golden.expected);
    counted = rows.counted;
    all = rows.all;
    real = rows.real;
  }

  /// Largest difference of logits at real tokens.
  double difference(const char* theirs) {
    const at::NoGradGuard no_grad;
    const Tensor ours = model->forward(all);
    const Tensor apart = (ours - golden.expected.at(theirs).view(ours.sizes())).abs();
    return (real.defined() ? apart * real.unsqueeze(1) : apart).max().item<double>();
  }

  double loss() {
    const at::NoGradGuard no_grad;
    return task_loss(model->forward(counted), counted).item<double>();
  }

  void train() {
    compute_as_there();
    attach(*model, learned);
    train_attached(*model, learned);
  }

  Tensor value(const std::string& theirs) const {
    const std::string wrapper = "base_model.model.";
    for (const Parameter& parameter : model->parameters()) {
      if (wrapper + parameter.name == theirs) return parameter.value;
    }
    throw Error("no parameter is called " + theirs);
  }

  Golden golden;
  Scratch scratch;
  std::unique_ptr<Model> model;
  Learned learned;
  bool t5 = false;
  Batch all, counted;
  Tensor real;  // (B * L) bool; undefined where all count
};

template <class Check>
void for_every_fixture(Check&& check) {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const char* name : {"llama_nf4", "llama_nf4_double", "llama_fp4", "t5_v1_1_nf4_double"}) {
    CAPTURE(name);
    QloraCase one(*fixtures, name);
    check(one);
  }
}

}  // namespace

TEST_CASE("4-bit folders of bitsandbytes compute its logits, alone and with peft's adapter") {
  for_every_fixture([](QloraCase& one) {
    const auto& modules = one.golden.json.at("quantised_modules");
    size_t quantised = 0;
    for (Linear* linear : one.model->linears()) {
      if (linear->base().format() != std::string("float")) ++quantised;
    }
    CHECK(quantised == modules.size());
    const size_t left = one.compute_as_there();
    CHECK((one.t5 ? left == 0 : left == modules.size() * 6 / 7));  // all but down_proj
    CHECK(one.difference("logits_quantised_base") < 1e-4);
    CHECK(one.difference("logits_full_precision_base") > 0.1);
    CHECK(one.loss() ==
          Approx(one.golden.json.at("loss_quantised_base").get<double>()).margin(1e-5));
    attach(*one.model, one.learned);
    CHECK(one.difference("logits_adapter") < 1e-4);
    CHECK(one.loss() == Approx(one.golden.json.at("loss_adapter").get<double>()).margin(1e-5));
  });
}

TEST_CASE("gradients of adapters on 4-bit folders are peft's") {
  for_every_fixture([](QloraCase& one) {
    one.train();
    AdamW training(*one.model);
    training.loss(one.counted);
    const auto gradients = stored_tensors(one.golden.folder / "expected_grads.safetensors");
    CHECK(gradients.size() == one.model->trainable().size());
    for (const auto& [name, theirs] : gradients) {
      CAPTURE(name);
      const double scale = theirs.abs().max().item<double>();
      CHECK(largest_difference(one.value(name).grad(), theirs) < 1e-3 * scale);
    }
  });
}

TEST_CASE("five AdamW steps on 4-bit folders end at peft's losses and values") {
  for_every_fixture([](QloraCase& one) {
    one.train();
    AdamW training(*one.model);
    const auto& facts = one.golden.json.at("adamw_5_steps_adapter_only");
    for (const double loss : facts.at("losses")) {
      CHECK(training.loss(one.counted) == Approx(loss).margin(1e-4));
      training.step(facts.at("lr").get<double>());
    }
    CHECK(one.loss() == Approx(facts.at("loss_after").get<double>()).margin(1e-4));
    const auto after = stored_tensors(one.golden.folder / "expected_after_5_steps.safetensors");
    for (const auto& [name, theirs] : after) {
      CAPTURE(name);
      CHECK(largest_difference(one.value(name), theirs) < 3e-4);
    }
  });
}
