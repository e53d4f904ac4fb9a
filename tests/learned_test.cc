// What training added to a model: taken from it, kept in a file, put on another, written for peft.
#include "tests/catch.h"
// After Catch.
#include "core/adapters/learned.h"
#include "core/formats/peft_read.h"
#include "core/formats/peft_write.h"
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

const std::vector<int64_t> kIds = {3, 7, 1, 20, 4, 4, 9, 2, 11, 5, 6, 8};

/// A method on a small decoder, as if trained, through `tasks` tasks.
struct Trained : Adapted {
  Trained(const std::string& family, const std::string& method, const OptionMap& options,
          int64_t tasks = 1)
      : Adapted(method, options, small_decoder(family), token_batch(kIds, 3)), family(family) {
    move();
    note();
    for (int64_t task = 2; task <= tasks; ++task) {
      adapt(task);
      move();
      note();
    }
    learned = learned_of(*model, names);
  }
  void note() {
    for (const ArenaRange& range : arena.ranges()) names.insert(range.name);
  }
  /// Logits of a fresh model with what this one learned.
  Tensor on_fresh(const Learned& given) const {
    const auto fresh = small_decoder(family);
    attach(*fresh, given);
    return fresh->forward(batch).detach();
  }

  std::string family;
  std::set<std::string> names;
  Learned learned;
};

struct Case {
  const char *family, *method;
  OptionMap options;
  int64_t tasks = 1;
};

/// Every method that peft has a form for.
std::vector<Case> peft_cases() {
  return {
      {"llama", "lora", {{"rank", "2"}}},
      {"gpt2", "lora", {{"rank", "2"}, {"rslora", "true"}, {"bias", "all"}}},
      {"opt", "lora", {{"rank", "2"}, {"targets", "q_proj,v_proj"}, {"bias", "lora_only"}}},
      {"llama", "lora", {{"targets", "1.self_attn.q_proj"}, {"modules_to_save", "lm_head,norm"}}},
      {"gpt2", "lora", {{"targets", "attn.c_proj"}, {"modules_to_save", "ln_f"}}},
      {"bloom", "dora", {{"rank", "2"}}},
      {"opt", "dora", {{"rank", "2"}, {"bias", "all"}}},
      {"llama", "ia3", {}},
      {"gpt2", "ia3", {}},
      {"llama", "prompt", {{"tokens", "3"}}},
      {"llama", "norm-tuning", {}},
      {"gpt2", "norm-tuning", {{"targets", "ln_1"}, {"modules_to_save", "h.0.mlp.c_fc"}}},
      {"llama", "inclora", {{"rank", "2"}}, 3},
      {"llama", "olora", {{"rank", "2"}, {"rslora", "true"}}, 2},
      {"llama", "adalora", {{"rank", "3"}, {"target", "2"}}}};
}

std::string same(const Learned& a, const Learned& b) {
  for (const auto& [name, value] : a.values) {
    if (b.values.count(name) == 0 || !b.values.at(name).equal(value)) return name;
  }
  for (const auto& [seam, form] : a.adapters) {
    if (b.adapters.count(seam) == 0) return seam;
    const AdapterForm& other = b.adapters.at(seam);
    if (other.kind != form.kind || other.alpha != form.alpha || other.rslora != form.rslora ||
        other.on_input != form.on_input || other.dropout != form.dropout) {
      return seam;
    }
    for (const auto& [end, value] : form.values) {
      if (!other.values.at(end).equal(value)) return seam + "." + end;
    }
  }
  return a.values.size() == b.values.size() && a.adapters.size() == b.adapters.size() ? "same"
                                                                                      : "count";
}

}  // namespace

TEST_CASE("what any method learned, on a fresh model, gives its logits") {
  std::vector<Case> cases = peft_cases();
  cases.push_back({"llama", "osf", {}, 2});
  cases.push_back({"gpt2", "bitfit", {}});
  cases.push_back({"gpt2", "freeze", {}});
  cases.push_back({"gpt2", "ewc", {}});
  for (const Case& one : cases) {
    CAPTURE(one.family, one.method);
    Trained trained(one.family, one.method, one.options, one.tasks);
    const Tensor ours = trained.on_fresh(trained.learned);
    const Tensor theirs = trained.forward();
    // osf puts a weight together from its singular vectors again: rounding, of logits' own size.
    const double scale = std::max(1.0, theirs.abs().max().item<double>());
    CHECK(largest_difference(ours, theirs) < 1e-5 * scale);
    CHECK(largest_difference(ours, trained.before) > 1e-3);
  }
}

TEST_CASE("kept values come back from their file bit for bit") {
  const Scratch scratch;
  for (const Case& one : peft_cases()) {
    CAPTURE(one.family, one.method);
    const Trained trained(one.family, one.method, one.options, one.tasks);
    write_learned(scratch.path("kept"), trained.learned, {{"of", "a trial"}});
    const SafetensorsFile file(scratch.path("kept"));
    CHECK(file.metadata().at("of") == "a trial");
    CHECK(same(trained.learned, read_learned(file)) == "same");
  }
}

TEST_CASE("an adapter folder that was written reads back bit for bit, under every method") {
  for (const Case& one : peft_cases()) {
    CAPTURE(one.family, one.method);
    const Scratch scratch;
    const Trained trained(one.family, one.method, one.options, one.tasks);
    const auto fresh = small_decoder(one.family);
    const PeftFamily& family = peft_family(one.family);
    write_peft(scratch.folder(), trained.learned, *fresh, family, {"base", "", 2, 4});
    const PeftAdapter read = read_peft(scratch.folder(), *fresh, family);
    CHECK(same(trained.learned, read.learned) == "same");
    CHECK(read.config.base_model == "base");
  }
}

TEST_CASE("targets and saved modules are said by names that reach no other module") {
  const auto config = [](const std::string& family, const std::string& method,
                         const OptionMap& options) {
    const Trained trained(family, method, options);
    return peft_config_of(trained.learned, *small_decoder(family), peft_family(family), {});
  };
  using Names = std::vector<std::string>;
  const PeftConfig saved = config(
      "llama", "lora", {{"targets", "1.self_attn.q_proj"}, {"modules_to_save", "lm_head,norm"}});
  CHECK(saved.target_modules.names == Names{"1.self_attn.q_proj"});
  // peft matches the end of the path alone: "norm" would also reach input_layernorm.
  CHECK(saved.modules_to_save == Names{"lm_head", "model.norm"});
  const PeftConfig gpt2 = config("gpt2", "lora", {{"targets", "attn.c_proj"}});
  CHECK(gpt2.target_modules.names == Names{"attn.c_proj"});
  CHECK(gpt2.fan_in_fan_out);
  const PeftConfig ia3 = config("gpt2", "ia3", {});
  CHECK(ia3.target_modules.names == Names{"c_attn", "mlp.c_proj"});
  CHECK(ia3.feedforward_modules.names == Names{"mlp.c_proj"});  // as among the targets
  const PeftConfig norms = config("llama", "norm-tuning", {});
  CHECK(norms.target_modules.names == Names{"input_layernorm", "norm", "post_attention_layernorm"});
}

TEST_CASE("ranks and alphas of single modules become patterns") {
  Trained trained("llama", "lora", {{"rank", "4"}, {"targets", "q_proj"}});
  AdapterForm& odd = trained.learned.adapters.at("layers.1.self_attn.q_proj");
  odd.values = {{"lora_A.weight", at::ones({2, 16})}, {"lora_B.weight", at::ones({16, 2})}};
  odd.alpha = 3;
  // A third seam, so that one rank is the commonest.
  AdapterForm third = trained.learned.adapters.at("layers.0.self_attn.q_proj");
  trained.learned.adapters["layers.0.self_attn.o_proj"] = third;
  const auto fresh = small_decoder("llama");
  const Scratch scratch;
  write_peft(scratch.folder(), trained.learned, *fresh, peft_family("llama"), {});
  const PeftAdapter read = read_peft(scratch.folder(), *fresh, peft_family("llama"));
  CHECK(read.config.rank == 4);
  CHECK(read.config.rank_pattern == ModuleValues<int64_t>{{"model.layers.1.self_attn.q_proj", 2}});
  CHECK(read.config.alpha_pattern == ModuleValues<double>{{"model.layers.1.self_attn.q_proj", 3}});
  CHECK(same(trained.learned, read.learned) == "same");
}

TEST_CASE("what peft has no form for is refused by name") {
  const auto refusal = [](const Learned& learned, const std::string& family) -> std::string {
    try {
      peft_config_of(learned, *small_decoder(family), peft_family(family), {});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string end = "; write the whole model with --merge";
  CHECK(refusal({}, "gpt2") == "peft has no adapter for a trial that changed nothing" + end);
  CHECK(refusal(Trained("gpt2", "bitfit", {}).learned, "gpt2") ==
        "peft has no adapter for biases without adapters" + end);
  Learned weight;
  weight.values["h.0.mlp.c_fc.weight"] = at::ones({64, 16});
  CHECK(refusal(weight, "gpt2") ==
        "peft has no adapter for 'h.0.mlp.c_fc.weight' alone, without the seam's bias" + end);
  weight.values["h.0.mlp.c_fc.bias"] = at::ones({64});
  CHECK(refusal(weight, "gpt2") ==
        "peft has no adapter for transformer.h.0.mlp.c_fc without adapters" + end);
  Learned both = Trained("llama", "prompt", {{"tokens", "2"}}).learned;
  both.values["norm.weight"] = at::ones({16});
  CHECK(refusal(both, "llama") ==
        "peft has no adapter for virtual tokens beside other trained values" + end);
  Learned mixed = Trained("llama", "lora", {{"targets", "q_proj"}}).learned;
  mixed.adapters["layers.0.self_attn.k_proj"] =
      Trained("llama", "ia3", {{"targets", "k_proj"}}).learned.adapters.begin()->second;
  CHECK(refusal(mixed, "llama") ==
        "peft has no adapter for two kinds of adapters, of which 'layers.0.self_attn.q_proj' has "
        "one" +
            end);
}

TEST_CASE("what does not fit the model is listed in full") {
  Learned learned;
  learned.values["norm.weight"] = at::ones({5});
  learned.values["nowhere.weight"] = at::ones({5});
  AdapterForm form;
  form.values = {{"lora_A.weight", at::ones({2, 3})}, {"lora_B.weight", at::ones({16, 2})}};
  learned.adapters["layers.0.self_attn.q_proj"] = form;
  learned.adapters["layers.9.self_attn.q_proj"] = form;
  CHECK_THROWS_WITH(attach(*small_decoder("llama"), learned),
                    "what was learned does not fit the model:\n"
                    "  norm.weight: [5], expected [16]\n"
                    "  unexpected: nowhere.weight\n"
                    "  layers.0.self_attn.q_proj.lora_A.weight: [2, 3], expected [2, 16]\n"
                    "  unexpected: an adapter of layers.9.self_attn.q_proj");
  const Scratch scratch;
  write_safetensors(scratch.path("other"), {});
  const SafetensorsFile other(scratch.path("other"));
  CHECK_THROWS_WITH(read_learned(other), scratch.path("other") +
                                             " holds no kept values of a trial: its metadata lacks "
                                             "'lethe.adapters'");
}

TEST_CASE("an adapter of a set stands under the set's name, beside another of its kind") {
  Trained trained("llama", "lora", {{"rank", "2"}, {"targets", "q_proj"}});
  attach(*trained.model, trained.learned, "start");
  const Tensor both = trained.forward();
  std::vector<std::string> names;
  for (const Parameter& parameter : trained.model->parameters()) {
    if (parameter.name.find("layers.0.self_attn.q_proj.") == 0) names.push_back(parameter.name);
  }
  const std::string seam = "layers.0.self_attn.q_proj.";
  CHECK(names == std::vector<std::string>{seam + "weight", seam + "lora_A.weight",
                                          seam + "lora_B.weight", seam + "start.lora_A.weight",
                                          seam + "start.lora_B.weight"});
  // Both together are one of twice the rank.
  const Learned joined = learned_of(*trained.model, {});
  CHECK(joined.adapters.at("layers.0.self_attn.q_proj").rank() == 4);
  // Products of rank 4 add in another order than two of rank 2: some 60 roundings of logits of 13.
  const double largest = both.abs().max().item<double>();
  CHECK(largest_difference(trained.on_fresh(joined), both) < 64 * 6e-8 * largest);
}
