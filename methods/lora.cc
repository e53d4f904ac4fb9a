// Low-rank adaptation: the base is frozen, each targeted Linear gains a low-rank product.
//   y = W x + b + s B A dropout(x),   s = alpha / rank, or alpha / sqrt(rank) with rslora
// A (rank, in) uniform in +-1/sqrt(in), B (out, rank) zero: at the start the logits do not change.
// Sources: Hu et al. 2021, arXiv:2106.09685; rank-stabilised: Kalajdzievski 2023, arXiv:2312.03732;
// on an NF4 base: Dettmers et al. 2023, arXiv:2305.14314.
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "methods/methods.h"

namespace lethe {
namespace {

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;
  bool rslora = false;
  std::string targets = "all";
  std::string bias = "none";
  std::string modules_to_save;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("rank", rank, at_least(1), "inner dimension of the product");
    visit("alpha", alpha, above(0.0), "scale over rank");
    visit("dropout", dropout, below_from(0.0, 1.0), "on the adapter's input, in training");
    visit("rslora", rslora, any(), "scale by alpha / sqrt(rank)");
    visit("targets", targets, any(),
          "all (every Linear but the head), or name endings: q_proj,v_proj");
    visit("bias", bias, one_of({"none", "all", "lora_only"}), "which biases are trained beside");
    visit("modules_to_save", modules_to_save, any(),
          "seams trained whole, by name ending: classifier");
  }
};

class LoraAdapter : public Adapter {
 public:
  LoraAdapter(const LoraOptions& options, const Linear& seam, Model& model, at::Generator generator)
      : options_(options), model_(model) {
    const MemoryTag tag(Category::adapters);
    const double bound = 1 / std::sqrt(static_cast<double>(seam.in_features()));
    a_ = at::empty({options.rank, seam.in_features()}, at::kFloat)
             .uniform_(-bound, bound, generator);
    b_ = at::zeros({seam.out_features(), options.rank}, at::kFloat);
    a_.set_requires_grad(true);
    b_.set_requires_grad(true);
  }

  Tensor output(const Tensor& x, const Tensor& so_far) const override {
    const Tensor kept = on_ ? dropout(x, options_.dropout, model_.generator()) : x;
    return so_far + at::linear(at::linear(kept, a_), b_) * scale();
  }

  void parameters(const ParameterVisitor& visit) override {
    visit("lora_A.weight", a_);
    visit("lora_B.weight", b_);
  }

  void merge(Tensor& weight, Tensor&) const override {
    const at::NoGradGuard no_grad;
    weight.add_(at::matmul(b_, a_), scale());
  }

  void train(bool on) override { on_ = on; }

 private:
  double scale() const {
    const auto rank = static_cast<double>(options_.rank);
    return options_.alpha / (options_.rslora ? std::sqrt(rank) : rank);
  }

  LoraOptions options_;
  Model& model_;
  Tensor a_;  // (rank, in)
  Tensor b_;  // (out, rank)
  bool on_ = false;
};

bool ends_with_one_of(const std::string& name, const std::string& endings) {
  std::stringstream stream(endings);
  for (std::string ending; std::getline(stream, ending, ',');) {
    if (name == ending || (name.size() > ending.size() && name.ends_with("." + ending)))
      return true;
  }
  return false;
}

class Lora : public Strategy {
 public:
  using Options = LoraOptions;
  explicit Lora(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    setup.model.set_trainable(false);
    int64_t adapted = 0;
    for (Linear* seam : setup.model.linears()) {
      const bool chosen = options_.targets == "all"
                              ? seam->kind() == SeamKind::linear
                              : ends_with_one_of(seam->name(), options_.targets);
      if (!chosen) continue;
      seam->add_adapter(
          std::make_shared<LoraAdapter>(options_, *seam, setup.model, setup.generator));
      if (options_.bias == "lora_only") train_bias(*seam);
      ++adapted;
    }
    if (adapted == 0) refuse(setup.model);
    for (Seam* seam : setup.model.seams()) {
      if (ends_with_one_of(seam->name(), options_.modules_to_save)) seam->set_trainable(true);
      if (options_.bias == "all") train_bias(*seam);
    }
  }

 private:
  static void train_bias(Seam& seam) {
    seam.parameters([](const std::string& name, Tensor& value) {
      if (name.ends_with(".bias")) value.set_requires_grad(true);
    });
  }

  [[noreturn]] void refuse(Model& model) const {
    std::vector<std::string> names;
    for (Linear* seam : model.linears()) names.push_back(seam->name());
    fail("lora: no Linear ends with one of '{}'; the model has: {}", options_.targets,
         fmt::join(names, ", "));
  }

  Options options_;
};

}  // namespace

void add_lora(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "lora";
  entry.role = Role::adapter;
  entry.summary = "Low-rank adapters on a frozen base; qlora is lora on an NF4 base.";
  entry.source = "Hu et al. 2021, arXiv:2106.09685; Dettmers et al. 2023, arXiv:2305.14314";
  entry.verified = "product by hand; merged weights give the same logits";
  entry.neutral.exists = false;
  registry.add<Lora>(std::move(entry));
}

}  // namespace lethe
