#include "core/plan/method.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>

#include "core/base_formats.h"
#include "core/error.h"
#include "core/formats/peft_targets.h"

namespace lethe::plan {
namespace {

/// Names as methods/ia3.cc takes for targets = auto.
struct Rule {
  enum class What { all, adapters, scales, biases, norms, last_layers, prompt } what = What::all;
  AdapterKind kind = AdapterKind::none;
  int64_t twins = 0;
  bool rewrites = false;
  std::string base = "float";
  bool reads_logits = false;
  std::string name = {};  ///< of a method with a memory of past rows
};

const std::map<std::string, Rule>& rules() {
  using What = Rule::What;
  static const std::map<std::string, Rule> known = {
      {"finetune", {}},
      {"full", {}},
      {"multitask", {}},
      {"joint", {}},
      {"replay", {What::all, AdapterKind::none, 0, false, "float", true}},
      {"lora", {What::adapters, AdapterKind::low_rank}},
      {"qlora", {What::adapters, AdapterKind::low_rank, 0, false, "nf4"}},
      {"olora", {What::adapters, AdapterKind::low_rank}},
      {"inclora", {What::adapters, AdapterKind::low_rank}},
      {"dora", {What::adapters, AdapterKind::dora}},
      {"adalora", {What::adapters, AdapterKind::adalora, 2}},
      {"ia3", {What::scales}},
      {"bitfit", {What::biases}},
      {"norm-tuning", {What::norms}},
      {"freeze", {What::last_layers}},
      {"ewc", {What::all, AdapterKind::none, 2}},
      {"l2", {What::all, AdapterKind::none, 2}},
      {"mas", {What::all, AdapterKind::none, 2}},
      {"si", {What::all, AdapterKind::none, 3}},
      {"rwalk", {What::all, AdapterKind::none, 7}},
      {"a-gem", {What::all, AdapterKind::none, 1, true}},
      {"gem", {What::all, AdapterKind::none, 0, true, "float", false, "gem"}},
      {"derpp", {What::all, AdapterKind::none, 0, false, "float", true, "derpp"}},
      {"der", {What::all, AdapterKind::none, 0, false, "float", true, "der"}},
      {"prompt", {What::prompt}},
      {"osf", {What::adapters, AdapterKind::osf}},
      {"distill", {What::all, AdapterKind::none, 1, false, "float", true}},
      {"lwf", {What::all, AdapterKind::none, 1, false, "float", true}}};
  return known;
}

const Rule& rule_of(const std::string& name) {
  const auto found = rules().find(name);
  if (name == "ewc-kfac") {
    fail(
        "no plan for ewc-kfac: its factors are those of layers that see one vector a row, and a "
        "transformer's see one a token; choose ewc");
  }
  if (found == rules().end()) {
    fail("no plan for method '{}'; methods with one: {}", name, fmt::join(planned_methods(), ", "));
  }
  return found->second;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

void freeze_all(MethodPlan& plan) {
  for (SeamPlan& seam : plan.seams) seam.weight = seam.bias = false;
}

void adapt(const ModelFacts& model, const PlanRequest& request, const Rule& rule,
           MethodPlan& plan) {
  freeze_all(plan);
  const std::vector<std::string> targets =
      request.targets == "peft" ? lora_targets(model.model_type) : target_names(request.targets);
  bool found = false;
  for (SeamPlan& seam : plan.seams) {
    const bool linear = seam.seam.role == SeamRole::linear;
    const bool head = seam.seam.role == SeamRole::head;
    const bool chosen =
        request.targets == "all" ? linear : (linear || head) && is_target(seam.seam.name, targets);
    if (!chosen) continue;
    seam.adapter = rule.kind;
    // Of osf the directions that are trained: half of them, its default.
    const int64_t smaller = std::min(seam.seam.in, seam.seam.out);
    seam.rank = rule.kind == AdapterKind::osf ? smaller - smaller / 2 : request.rank;
    found = true;
  }
  if (!found) {
    fail(
        "{}: no Linear of a {} ends with one of '{}'; set --targets all, peft, or names of its own",
        request.method, model.model_type, fmt::join(targets, ","));
  }
}

void scale(const ModelFacts& model, MethodPlan& plan) {
  freeze_all(plan);
  bool found = false;
  for (SeamPlan& seam : plan.seams) {
    if (seam.seam.role != SeamRole::linear) continue;
    if (is_target(seam.seam.name, ia3_keys_and_values())) {
      seam.adapter = AdapterKind::scaled_output;
    } else if (is_target(seam.seam.name, ia3_feed_forward())) {
      seam.adapter = AdapterKind::scaled_input;
    } else {
      continue;
    }
    found = true;
  }
  if (!found) fail("ia3: no Linear of a {} makes keys or values", model.model_type);
}

/// All but the last `layers` blocks, and what stands behind them, are frozen.
void keep_last(int64_t layers, MethodPlan& plan) {
  std::vector<size_t> starts;
  std::string present;
  for (size_t i = 0; i < plan.seams.size(); ++i) {
    const std::string block = block_of(plan.seams[i].seam.name);
    if (block.empty() || block == present) continue;
    starts.push_back(i);
    present = block;
  }
  if (layers < 1 || layers > static_cast<int64_t>(starts.size())) {
    fail("freeze: --layers {}, but the model has {}; give 1 to {}", layers, starts.size(),
         starts.size());
  }
  const size_t first = starts[starts.size() - static_cast<size_t>(layers)];
  for (size_t i = 0; i < first; ++i) plan.seams[i].weight = plan.seams[i].bias = false;
}

void add_prompt(const ModelFacts& model, const PlanRequest& request, MethodPlan& plan) {
  if (model.form == Form::encoder) {
    fail("prompt: a {} has no place for virtual tokens; choose lora", model.model_type);
  }
  freeze_all(plan);
  plan.prompt_tokens = request.virtual_tokens;
  plan.prompt_width = model.seams.front().in;
}

void remember(const Rule& rule, const ModelFacts& model, const PlanRequest& request,
              MethodPlan& plan) {
  if (rule.name.empty()) return;
  if (plan.memory.kept > 0) fail("{}: two methods with a memory; keep one", request.method);
  plan.memory = memory_passes(rule.name, model, request);
  if (rule.name == "gem") plan.twins += request.tasks - 1;  // a gradient of each past task
}

void apply(const Rule& rule, const ModelFacts& model, const PlanRequest& request,
           MethodPlan& plan) {
  plan.twins += rule.twins;
  plan.reads_logits = plan.reads_logits || rule.reads_logits;
  remember(rule, model, request, plan);
  plan.rewrites_gradient = plan.rewrites_gradient || rule.rewrites;
  if (rule.base != "float") plan.base = rule.base;
  switch (rule.what) {
    case Rule::What::adapters:
      return adapt(model, request, rule, plan);
    case Rule::What::scales:
      return scale(model, plan);
    case Rule::What::biases:
      for (SeamPlan& seam : plan.seams) seam.weight = false;
      break;
    case Rule::What::norms:
      for (SeamPlan& seam : plan.seams) {
        if (seam.seam.role != SeamRole::norm) seam.weight = seam.bias = false;
      }
      break;
    case Rule::What::last_layers:
      return keep_last(request.layers, plan);
    case Rule::What::prompt:
      return add_prompt(model, request, plan);
    case Rule::What::all:
      break;
  }
}

/// Linears in blocks alone: embeddings, norms and the head stay dense.
void quantise(const ModelFacts& model, const PlanRequest& request, MethodPlan& plan) {
  const std::vector<std::string> skipped = skipped_names(request.skip);
  for (SeamPlan& seam : plan.seams) {
    if (seam.seam.role != SeamRole::linear || seam.seam.kept_dense) continue;
    if (is_target(seam.seam.name, skipped)) continue;
    if (seam.weight || seam.adapter == AdapterKind::osf) {
      fail("{} trains '{}', which is {}; {}choose lora", request.method, seam.seam.name, plan.base,
           model.stored_base.empty() ? "set --base float, or " : "");
    }
    seam.quantised = true;
  }
}

/// A folder of quantised weights has its base already.
void take_stored_base(const ModelFacts& model, const PlanRequest& request, MethodPlan& plan) {
  const bool asked = !request.base.empty() || plan.base != "float";
  if (asked && plan.base != model.stored_base) {
    fail("{} has the base {}, but the folder's weights are stored as {}; {}", request.method,
         plan.base, model.stored_base, request.base.empty() ? "choose lora" : "leave --base out");
  }
  plan.base = model.stored_base;
}

}  // namespace

std::vector<int64_t> SeamPlan::adapter_sizes() const {
  switch (adapter) {
    case AdapterKind::low_rank:
      return {rank * seam.in, seam.out * rank};
    case AdapterKind::dora:
      return {rank * seam.in, seam.out * rank, seam.out};
    case AdapterKind::adalora:
      return {rank * seam.in, rank, seam.out * rank};
    case AdapterKind::osf:
      return {seam.out * rank, rank, rank * seam.in};
    case AdapterKind::scaled_input:
      return {seam.in};
    case AdapterKind::scaled_output:
      return {seam.out};
    default:
      return {};
  }
}

int64_t SeamPlan::adapter_frozen() const {
  if (adapter != AdapterKind::osf) return 0;
  return (std::min(seam.in, seam.out) - rank) * (seam.in + seam.out);
}

std::vector<int64_t> SeamPlan::trained_sizes() const {
  std::vector<int64_t> sizes;
  if (weight) sizes.push_back(seam.weight_size());
  if (bias && seam.bias) sizes.push_back(seam.bias_size());
  return sizes;
}

int64_t MethodPlan::trainable() const {
  int64_t count = prompt_tokens * prompt_width;
  for (const SeamPlan& seam : seams) {
    for (const auto& sizes : {seam.adapter_sizes(), seam.trained_sizes()}) {
      count += std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
    }
  }
  return count;
}

std::vector<std::string> planned_methods() {
  std::vector<std::string> names;
  for (const auto& [name, rule] : rules()) names.push_back(name);
  return names;
}

MethodPlan method_plan(const ModelFacts& model, const PlanRequest& request) {
  MethodPlan plan;
  for (const SeamFacts& seam : model.seams) plan.seams.push_back({seam, true, true});
  plan.base = "float";
  std::string adapter;
  std::vector<const Rule*> order;
  for (const std::string& name : split(request.method, '+')) {
    const Rule& rule = rule_of(name);
    if (rule.what == Rule::What::all) {
      order.push_back(&rule);
      continue;
    }
    if (!adapter.empty()) {
      fail("{}: both {} and {} choose what is trained; keep one", request.method, adapter, name);
    }
    adapter = name;
    order.insert(order.begin(), &rule);
  }
  if (order.empty()) rule_of(request.method);
  for (const Rule* rule : order) apply(*rule, model, request, plan);
  if (!request.base.empty() && plan.base != "float" && !is_four_bit(request.base)) {
    fail("{} has a 4-bit base, but --base is {}; leave --base out, or choose lora", request.method,
         request.base);
  }
  if (!request.base.empty()) plan.base = request.base;
  if (!model.stored_base.empty()) take_stored_base(model, request, plan);
  if (plan.base != "float") quantise(model, request, plan);
  if (plan.trainable() == 0) {
    fail("{} trains nothing of a {}; choose another method", request.method, model.model_type);
  }
  return plan;
}

}  // namespace lethe::plan
