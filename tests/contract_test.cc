// Every built-in method, and some of their combinations, under the contract; and methods made to
// break it.
#include "tests/catch.h"
// After Catch.
#include "core/contract.h"
#include "methods/methods.h"

using namespace lethe;

namespace {

using Faults = std::vector<std::string>;

/// On images, or on text where the method refuses them: contract_text_test.cc has the rest.
Faults violations(const std::string& method, const OptionMap& options = {}) {
  std::vector<Part> parts = parse_method(builtin_methods(), method, options).parts;
  for (Part& part : parts) {
    // A default budget of past rows is more than the suite's tasks have.
    if (part.options.contains("budget")) part.options["budget"] = "8";
  }
  return contract_violations(builtin_methods(), parts, {.text = false});
}

/// Breaks one promise a mode.
class Broken : public Strategy {
 public:
  struct Options {
    std::string mode = "values";
    template <class Visit>
    void fields(Visit&& visit) {
      visit("mode", mode, any(), "which promise is broken");
    }
  };
  explicit Broken(const Options& options) : mode_(options.mode) {}

  void before_task(const TaskBegin& begin) override {
    static int runs = 0;
    const at::NoGradGuard no_grad;
    if (mode_ == "seed") begin.arena.values().add_(1e-3 * ++runs);
    if (mode_ == "not neutral") begin.arena.values().add_(0.125);
    if (mode_ == "resume" && begin.task == 1) shift_ = 0.25;
    if (mode_ == "resume" && begin.task == 2) begin.arena.values().add_(shift_);
    steps_ = 0;
  }
  void after_step(const StepEnd& end) override {
    const at::NoGradGuard no_grad;
    if (mode_ == "within" && ++steps_ == 9) end.arena.values().add_(0.25);
  }
  void state(Archive& archive) override {
    double noise = mode_ == "state" ? shift_ += 1 : 0;
    archive("noise", noise);
  }
  void contribute(Update& update) override {
    if (mode_ == "penalty") update.add_gradient(at::zeros_like(update.gradient()), 2.0);
  }
  void after_task(const TaskEnd& end) override {
    const at::NoGradGuard no_grad;
    if (mode_ == "values") end.arena.values().add_(1);
    if (mode_ == "gradients") end.arena.gradient().add_(1);
    if (mode_ == "training") end.model.train(true);
  }

 private:
  std::string mode_;
  double shift_ = 0;
  int64_t steps_ = 0;
};

Faults broken(const std::string& mode) {
  StrategyRegistry registry;
  StrategyEntry entry;
  entry.name = "broken";
  entry.role = Role::data;
  if (mode == "penalty") entry.role = Role::regulariser;
  entry.neutral.exists = mode == "not neutral";
  registry.add<Broken>(entry);
  return contract_violations(registry, {{"broken", {{"mode", mode}}}}, {.text = false});
}

bool some_has(const Faults& faults, const std::string& text) {
  for (const std::string& fault : faults) {
    if (fault.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every built-in strategy keeps the contract") {
  for (const auto& [name, entry] : builtin_methods().entries()) {
    CAPTURE(name);
    CHECK(violations(name) == Faults{});
  }
}

TEST_CASE("every strategy keeps the contract beside another one") {
  for (const auto& [name, entry] : builtin_methods().entries()) {
    const bool alone = entry.role == Role::regulariser || name == "finetune";
    // ewc-kfac wants its layers trained whole.
    const std::string other = name == "ewc-kfac" ? "distill" : alone ? "lora" : "ewc";
    const std::string method = other == "ewc" ? name + "+ewc" : other + "+" + name;
    // Where the penalty needs something that is trained through all tasks, or stands alone.
    OptionMap options;
    if (entry.new_parameters_each_task) {
      options[name + ".targets"] = "fc1";
      options[name + ".modules_to_save"] = "fc2";
    }
    if (name == "adalora") options["adalora.orthogonality"] = "0";
    if (name == "freeze") options["freeze.layers"] = "2";
    CAPTURE(method);
    CHECK(violations(method, options) == Faults{});
  }
}

TEST_CASE("chosen combinations of strategies keep the contract") {
  for (const char* method : {"lora+ewc", "ewc+distill", "si+distill", "multitask+ewc", "lora+si",
                             "replay+ewc", "a-gem+si", "lora+gem", "derpp+distill", "bitfit+si",
                             "olora+replay", "osf+distill", "prompt+ewc"}) {
    CAPTURE(method);
    CHECK(violations(method) == Faults{});
  }
}

TEST_CASE("settings off the default keep the contract") {
  CHECK(violations("ewc", {{"mode", "online"}, {"gamma", "0.9"}, {"labels", "empirical"}}) ==
        Faults{});
  CHECK(violations("si", {{"gradient", "total"}}) == Faults{});
  CHECK(violations("distill", {{"teacher", "larger"}}) == Faults{});
  const OptionMap reservoir = {{"selection", "reservoir"}, {"per", "total"}};
  CHECK(violations("a-gem", reservoir) == Faults{});
  OptionMap by_steps = reservoir;
  by_steps["fill"] = "steps";
  by_steps["weights"] = "concatenated";
  CHECK(violations("replay", by_steps) == Faults{});
  CHECK(violations("replay", {{"per", "total"}, {"weights", "equal"}, {"batch", "3"}}) == Faults{});
  CHECK(violations("gem", {{"margin_as", "added"}, {"batch", "3"}}) == Faults{});
  CHECK(violations("der") == Faults{});
  CHECK(violations("multitask", {{"mixing", "tasks"}}) == Faults{});
  CHECK(violations("lora", {{"dropout", "0.2"}, {"bias", "all"}}) == Faults{});
  CHECK(violations("freeze+ewc", {{"layers", "2"}}) == Faults{});
  CHECK(violations("freeze+inclora", {{"layers", "2"}}) == Faults{});
  CHECK(violations("dora", {{"dropout", "0.2"}, {"bias", "lora_only"}}) == Faults{});
  CHECK(violations("olora", {{"lambda2", "0.1"}, {"penalty", "squared"}, {"dropout", "0.2"}}) ==
        Faults{});
  CHECK(violations("adalora", {{"interval", "3"}, {"penalty", "squared"}}) == Faults{});
  CHECK(violations("osf", {{"preserved", "0.9"}, {"modules_to_save", "classifier"}}) == Faults{});
}

TEST_CASE("the contract names a broken promise") {
  CHECK(broken("nothing") == Faults{});
  CHECK(some_has(broken("values"),
                 "broken (class-incremental): broken: after_task of task 1 changes values"));
  CHECK(some_has(broken("gradients"), "after_task of task 1 changes gradients"));
  CHECK(some_has(broken("training"), "after_task of task 1 changes the training mode"));
  CHECK(some_has(broken("seed"), "two runs of one seed end with different weights"));
  CHECK(some_has(broken("not neutral"),
                 "broken at its neutral setting and finetune end with different weights"));
  CHECK(some_has(broken("penalty"), "the penalty of task 1 is 2 at step 1, expected 0"));
  CHECK(some_has(broken("resume"),
                 "a run interrupted after task 1 and an uninterrupted one end with different"));
  CHECK(some_has(broken("within"),
                 "a run interrupted within task 2 and an uninterrupted one end with different"));
  CHECK_FALSE(some_has(broken("within"), "a run interrupted after task 1"));
  CHECK(some_has(broken("within"), "yield different scores"));
  CHECK(some_has(broken("state"), "end with different strategy.broken.noise"));
}
