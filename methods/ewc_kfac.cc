// Kronecker-factored EWC: a task's Fisher keeps the correlations within each Linear layer.
//   A_t = E[a a^T], G_t = E[g g^T]       per layer: inputs a (1 appended for the bias), and
//                                        gradients g of -log p at its outputs
//   penalty = sum_t lambda/2 vec(D)^T (A_t x G_t) vec(D) = sum_t lambda/2 tr(D^T G_t D A_t)
//   gradient of a layer: sum_t lambda G_t D A_t;   D = [W b] - [W b]*   (out, in + 1)
// The sum over tasks is of whole products, never of factors, which would add cross terms. mode =
// online anchors all of them at the latest values, the paper's recursion of Laplace approximations
// (gamma < 1 fades the older ones); mode = offline leaves each at its own task's. Both take two
// products a layer, step and past task, over the inputs that were ever other than 0 there: the rows
// and columns of A of the others, such as pixels that are never lit, are zeros. Means over rows, as
// ewc's F: for one row and one label the diagonal of A x G is that F. Source: Ritter et al. 2018,
// arXiv:1805.07810; the factors: Martens & Grosse 2015, arXiv:1503.05671.
#include <algorithm>

#include "core/bf16_values.h"
#include "core/error.h"
#include "core/fisher.h"
#include "core/importance.h"
#include "methods/methods.h"

namespace lethe {
namespace {

/// One past task's penalty on one layer.
struct Factors {
  int64_t layer = 0;  ///< index in Model::linears()
  Tensor inputs;      ///< (n) those of its in [+ 1] inputs that A is of, ascending
  Tensor a;           ///< (n, n)
  Tensor g;           ///< (out, out)
  Tensor anchor;      ///< (in [+ 1], out): inputs first, so that choosing some takes whole rows
};

/// Weight (in, out), with the bias as a further row where `with_bias`.
Tensor weight_and_bias(Linear& layer, bool with_bias) {
  const Tensor weight = layer.base().dense().detach().t();
  if (!with_bias) return weight.clone(at::MemoryFormat::Contiguous);
  return at::cat({weight, widened(layer.bias().detach()).unsqueeze(0)});
}

bool trains_bias(const Linear& layer) {
  return layer.bias().defined() && layer.bias().requires_grad();
}

/// Leaves the inputs that were 0 in every row out of A, where they are enough to pay for choosing.
void leave_out_unlit(Factors& factors) {
  constexpr double worth = 0.9;  // a tenth fewer columns is what gathering them costs
  const int64_t all = factors.a.size(0);
  const Tensor lit = factors.a.diagonal().nonzero().squeeze(1);
  const bool pays = static_cast<double>(lit.size(0)) < worth * static_cast<double>(all);
  factors.inputs = pays ? lit : at::arange(all, lit.options());
  if (pays) factors.a = factors.a.index_select(0, lit).index_select(1, lit);
}

class KroneckerEwc : public Strategy {
 public:
  struct Options {
    double lambda = 100;
    std::string mode = "online";
    double gamma = 1;
    std::string labels = "auto";
    int64_t rows = 0;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0),
            "penalty weight (the half is in the formula); 0 = finetune");
      visit("mode", mode, one_of({"online", "offline"}),
            "all penalties around the latest values, or each around its own task's");
      visit("gamma", gamma, between(0.0, 1.0), "online: how much of the older penalties stays");
      visit("labels", labels, one_of({"auto", "exact", "sampled", "empirical", "predicted"}),
            "whose labels G takes; auto = exact up to 100 classes, else sampled");
      visit("rows", rows, at_least(0), "training rows for the factors; 0 = all");
    }
  };
  explicit KroneckerEwc(const Options& options) : options_(options) {}

  void prepare(Setup& setup) override {
    require_classes("ewc-kfac", setup.stream,
                    "its factors are those of layers that see one vector a row", "use ewc");
    check_fisher("ewc-kfac", {.labels = options_.labels, .rows = options_.rows}, setup.stream);
  }

  void adapt(Setup& setup, int64_t) override {
    model_ = &setup.model;
    arena_ = &setup.arena;
    for (Seam* seam : setup.model.seams()) check(*seam);
  }

  bool reads_gradient() const override { return true; }
  void contribute(Update& update) override {
    if (factors_.empty() || options_.lambda == 0) return;
    const MemoryTag tag(Category::workspace);
    const at::NoGradGuard no_grad;
    const Tensor flat = arena_->zeros();
    Tensor penalty = at::zeros({}, flat.options().dtype(at::kDouble));
    const std::vector<Linear*> layers = model_->linears();
    for (size_t i = 0; i < layers.size(); ++i) {
      pull(static_cast<int64_t>(i), *layers[i], flat, penalty);
    }
    update.add_gradient(flat, penalty.item<double>());
  }

  void after_task(const TaskEnd& end) override {
    if (end.last()) return;
    const std::vector<Factors> fresh = factors_of(end);
    const at::NoGradGuard no_grad;
    for (Factors& old : factors_) {
      if (options_.mode == "offline") break;
      old.g.mul_(options_.gamma);
      for (const Factors& latest : fresh) {
        if (latest.layer == old.layer) old.anchor = latest.anchor;
      }
    }
    factors_.insert(factors_.end(), fresh.begin(), fresh.end());
  }

  void state(Archive& archive) override {
    auto count = static_cast<int64_t>(factors_.size());
    archive("count", count);
    factors_.resize(static_cast<size_t>(count));
    for (size_t i = 0; i < factors_.size(); ++i) {
      const std::string name = fmt::format("{}.", i);
      archive(name + "layer", factors_[i].layer);
      archive(name + "inputs", factors_[i].inputs);
      archive(name + "a", factors_[i].a);
      archive(name + "g", factors_[i].g);
      archive(name + "anchor", factors_[i].anchor);
    }
  }

  std::optional<PenaltyForm> penalty_form(const TaskStream& stream) const override {
    const bool online = options_.mode == "online";
    PenaltyForm form{
        "ewc-kfac",
        fmt::format("Kronecker-factored Fisher, {} labels", fisher_labels(options_.labels, stream)),
        "n", true, online ? "latest" : "own of each task"};
    const bool fades = online && options_.gamma != Options().gamma;
    if (fades) form.importance += fmt::format(", gamma {}", options_.gamma);
    return form;
  }

 private:
  [[noreturn]] static void refuse(const std::string& why) {
    fail("ewc-kfac needs Linear layers that are trained whole, but {}; use ewc here", why);
  }

  static void check(Seam& seam) {
    auto* layer = dynamic_cast<Linear*>(&seam);
    bool weight = false;
    std::string other;
    seam.parameters([&](const std::string& name, Tensor& value) {
      if (!value.requires_grad()) return;
      weight = weight || name == seam.name() + ".weight";
      other = name;
    });
    if (other.empty()) return;
    if (layer == nullptr) refuse(fmt::format("'{}' is trained and belongs to none", other));
    if (!layer->adapters().empty()) refuse(fmt::format("'{}' has an adapter", seam.name()));
    if (!weight) refuse(fmt::format("of '{}' only '{}' is trained", seam.name(), other));
  }

  /// Adds the gradient on one layer to `flat` and its tasks' values to `penalty`.
  void pull(int64_t index, Linear& layer, const Tensor& flat, Tensor& penalty) {
    Tensor value, sum, moved, anchor;
    for (Factors& factors : factors_) {
      if (factors.layer != index) continue;
      if (!value.defined()) {
        value = weight_and_bias(layer, factors.anchor.size(0) > layer.in_features());
        sum = at::zeros_like(value);
      }
      for (Tensor* tensor : {&factors.inputs, &factors.a, &factors.g, &factors.anchor}) {
        const MemoryTag tag(Category::method_state);
        *tensor = tensor->to(value.device());  // a checkpoint's are on the CPU
      }
      if (!factors.anchor.is_same(anchor)) {  // online, all have one
        anchor = factors.anchor;
        moved = value - anchor;
      }
      add_pull(factors, moved, sum, penalty);
    }
    if (!sum.defined()) return;
    layer.parameters([&](const std::string&, Tensor& parameter) {
      const ArenaRange* range = arena_->range_of(parameter);
      if (range == nullptr) return;
      const Tensor part = parameter.dim() == 2 ? sum.narrow(0, 0, layer.in_features()).t()
                                               : sum.select(0, layer.in_features());
      arena_->slice(flat, *range).add_(part, options_.lambda);
    });
  }

  /// One task's part: A D G, as (in, out), to `sum`.
  void add_pull(const Factors& factors, const Tensor& all_moved, const Tensor& sum,
                Tensor& penalty) const {
    const bool all = factors.inputs.size(0) == all_moved.size(0);
    const Tensor moved = all ? all_moved : all_moved.index_select(0, factors.inputs);
    const Tensor gradient = factors.a.mm(moved).mm(factors.g);
    penalty.add_(gradient.flatten().dot(moved.flatten()), 0.5 * options_.lambda);
    if (all) {
      sum.add_(gradient);
    } else {
      sum.index_add_(0, factors.inputs, gradient);
    }
  }

  std::vector<Factors> factors_of(const TaskEnd& end) const {
    const MemoryTag tag(Category::workspace);
    const Evaluating evaluating(end.model);
    if (!rows_see_one_vector(end)) refuse("some layer of this model does not see one vector a row");
    const std::string labels = fisher_labels(options_.labels, end.stream);
    const std::vector<int64_t> rows = importance_rows(end, options_.rows);
    std::vector<Factors> sums = zeros(end.model);
    each_batch(end, rows, end.batch_size, [&](const Batch& batch) {
      const Capture capture(end.model, batch);
      const at::NoGradGuard no_grad;
      const std::vector<Factors*> at_site = sums_of(capture, end.model, sums);
      for (size_t s = 0; s < at_site.size(); ++s) {
        if (at_site[s] != nullptr) add_inputs(capture.sites()[s].input, *at_site[s]);
      }
      each_cotangent(capture.logits(), batch, labels, end.generator, [&](const Tensor& cotangent) {
        const auto gradients = capture.output_gradients(cotangent);
        for (size_t s = 0; s < at_site.size(); ++s) {
          if (at_site[s] != nullptr) at_site[s]->g.addmm_(gradients[s].t(), gradients[s]);
        }
      });
    });
    for (Factors& sum : sums) {
      sum.a.div_(static_cast<double>(rows.size()));
      sum.g.div_(static_cast<double>(rows.size()));
      const MemoryTag kept(Category::method_state);
      leave_out_unlit(sum);
    }
    return sums;
  }

  /// Empty sums of every trained layer, anchored at its present values.
  static std::vector<Factors> zeros(Model& model) {
    const MemoryTag tag(Category::method_state);
    const std::vector<Linear*> layers = model.linears();
    std::vector<Factors> made;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (!layers[i]->base().dense().requires_grad()) continue;
      const Tensor anchor = weight_and_bias(*layers[i], trains_bias(*layers[i]));
      const int64_t in = anchor.size(0), out = anchor.size(1);
      made.push_back({static_cast<int64_t>(i),
                      {},
                      at::zeros({in, in}, anchor.options()),
                      at::zeros({out, out}, anchor.options()),
                      anchor});
    }
    return made;
  }

  /// For each site the sum of its layer; null for a frozen layer above a trained one.
  static std::vector<Factors*> sums_of(const Capture& capture, Model& model,
                                       std::vector<Factors>& sums) {
    const std::vector<Linear*> layers = model.linears();
    std::vector<Factors*> found;
    for (const Capture::Site& site : capture.sites()) {
      const auto sum = std::find_if(sums.begin(), sums.end(), [&](const Factors& factors) {
        return layers[static_cast<size_t>(factors.layer)] == site.seam;
      });
      found.push_back(sum == sums.end() ? nullptr : &*sum);
    }
    return found;
  }

  static void add_inputs(const Tensor& input, const Factors& sum) {
    Tensor a = input;
    if (sum.a.size(0) > a.size(1)) a = at::cat({a, at::ones({a.size(0), 1}, a.options())}, 1);
    sum.a.addmm_(a.t(), a);
  }

  Options options_;
  Model* model_ = nullptr;
  const Arena* arena_ = nullptr;
  std::vector<Factors> factors_;
};

}  // namespace

void add_ewc_kfac(StrategyRegistry& registry) {
  StrategyEntry entry;
  entry.name = "ewc-kfac";
  entry.role = Role::regulariser;
  entry.summary = "EWC with a Kronecker-factored Fisher: correlations within a layer count.";
  entry.source = "Ritter et al. 2018, arXiv:1805.07810";
  entry.verified = "penalties by explicit Kronecker products (tests/ewc_kfac_test.cc)";
  entry.neutral.options = {{"lambda", "0"}};
  entry.conditions = {{"gamma", "mode", {"online"}}};
  entry.readings = {
      {"mode",
       "Ritter et al. 2018 anchor the sum of all penalties at the latest optimum, a "
       "recursion of Laplace approximations: `online`, the default. `offline` leaves each at "
       "its own task's, the reading that `ewc` has as its default."},
      {"labels",
       "As for `ewc`; Ritter et al. sample from the model, `exact` is that without the noise "
       "of the draw, hence the default up to 100 classes."}};
  registry.add<KroneckerEwc>(std::move(entry));
}

}  // namespace lethe
