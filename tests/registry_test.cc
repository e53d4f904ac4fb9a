// Methods from text: combinations, aliases and what is refused.
#include "tests/catch.h"
// After Catch.
#include "tests/engine_case.h"

using namespace lethe;

namespace {

MethodSpec parsed(const std::string& text, const OptionMap& options = {}) {
  return parse_method(builtin_methods(), text, options);
}

std::vector<std::string> names(const MethodSpec& spec) {
  std::vector<std::string> found;
  for (const Part& part : spec.parts) found.push_back(part.name);
  return found;
}

class Nothing : public Strategy {
 public:
  struct Options {
    double lambda = 1;
    template <class Visit>
    void fields(Visit&& visit) {
      visit("lambda", lambda, at_least(0.0), "unused");
    }
  };
  explicit Nothing(const Options&) {}
};

StrategyRegistry with(const std::string& name, Role role) {
  StrategyRegistry registry;
  add_builtin_methods(registry);
  StrategyEntry entry;
  entry.name = name;
  entry.role = role;
  registry.add<Nothing>(entry);
  return registry;
}

}  // namespace

TEST_CASE("the order of names in a method does not matter") {
  CHECK(names(parsed("ewc+lora")) == std::vector<std::string>{"lora", "ewc"});
  const MethodSpec one = parsed("ewc+lora", {{"ewc.lambda", "3"}, {"rank", "2"}});
  const MethodSpec other = parsed("lora+ewc", {{"ewc.lambda", "3"}, {"rank", "2"}});
  CHECK(canonical_text({one.parts, {}, {}, {}, 1}) == canonical_text({other.parts, {}, {}, {}, 1}));
  CHECK(one.parts[0].options.at("rank") == "2");
  CHECK(one.parts[1].options.at("lambda") == "3");
}

TEST_CASE("a method's strategies run in the order of their roles") {
  CHECK(names(parsed("distill+multitask+si+ewc+lora")) ==
        std::vector<std::string>{"lora", "ewc", "si", "multitask", "distill"});
}

TEST_CASE("aliases stand for strategies with options, and options of the model") {
  CHECK(parsed("finetune").parts.empty());
  const MethodSpec qlora = parsed("qlora+ewc");
  CHECK(names(qlora) == std::vector<std::string>{"lora", "ewc"});
  CHECK(qlora.model == OptionMap{{"base", "nf4"}});
  CHECK(parsed("joint").parts[0].options.at("tasks") == "all");
  CHECK(parsed("lwf").parts[0].options.at("teacher") == "previous");
}

TEST_CASE("a parsed method has every option filled in") {
  CHECK(parsed("si", {{"c", "0.50"}}).parts[0].options ==
        OptionMap{{"c", "0.5"}, {"clamp", "true"}, {"gradient", "unregularised"}, {"xi", "0.1"}});
}

TEST_CASE("an unknown method is refused with the known ones") {
  using Catch::Matchers::Contains;
  using Catch::Matchers::StartsWith;
  CHECK_THROWS_WITH(parsed("ewcc"), StartsWith("unknown method 'ewcc'; known methods: a-gem, ") &&
                                        Contains(", ewc, ") && Contains(", finetune, ") &&
                                        Contains(", lora, lwf, ") && Contains(", qlora, "));
}

TEST_CASE("two adapters, two data policies and a strategy twice are refused") {
  const StrategyRegistry adapters = with("prefix", Role::adapter);
  CHECK_THROWS_WITH(
      parse_method(adapters, "lora+ewc+prefix", {}),
      "method 'lora+ewc+prefix' has two strategies of role adapter, 'lora' and 'prefix'; keep one");
  CHECK_THROWS_WITH(
      parsed("replay+joint"),
      "method 'replay+joint' has two strategies of role data, 'replay' and 'multitask'; keep one");
  CHECK_THROWS_WITH(parsed("ewc+ewc"), "method 'ewc+ewc' has 'ewc' twice; name it once");
  std::vector<std::string> built_in;
  for (const auto& [name, entry] : builtin_methods().entries()) {
    if (entry.role == Role::adapter) built_in.push_back(name);
  }
  CHECK(built_in.size() > 8);
  for (const std::string& one : built_in) {
    for (const std::string& other : built_in) {
      if (one == other) continue;
      CHECK_THROWS_WITH(parsed(one + "+" + other), "method '" + one + "+" + other +
                                                       "' has two strategies of role adapter, '" +
                                                       one + "' and '" + other + "'; keep one");
    }
  }
  CHECK_THROWS_WITH(parsed("lora+qlora"), "method 'lora+qlora' has 'lora' twice; name it once");
}

TEST_CASE("a regulariser beside an adapter that shares nothing between tasks is refused") {
  const auto checked = [](const std::string& method, const OptionMap& options = {}) {
    check_conditions(builtin_methods(), parsed(method, options).parts);
  };
  for (const std::string adapter : {"inclora", "olora", "osf"}) {
    for (const std::string regulariser : {"ewc", "ewc-kfac", "l2", "mas", "rwalk", "si"}) {
      CHECK_THROWS_WITH(checked(adapter + "+" + regulariser),
                        adapter + " trains other parameters in each task, and " + regulariser +
                            " holds what earlier tasks trained: it would do nothing; leave one of "
                            "them out, or name a seam that all tasks train in " +
                            adapter + ".modules_to_save");
    }
    CHECK_NOTHROW(checked(adapter + "+si", {{"modules_to_save", "classifier"}}));
    CHECK_NOTHROW(checked(adapter + "+replay"));
  }
  CHECK_NOTHROW(checked("inclora+ewc", {{"bias", "all"}}));
  CHECK_NOTHROW(checked("lora+ewc"));
}

TEST_CASE("an empty name is refused") {
  for (const std::string text : {"", "ewc+"}) {
    CHECK_THROWS_WITH(parsed(text), "method '" + text +
                                        "' has an empty name; write names joined by '+', e.g. "
                                        "lora+ewc");
  }
}

TEST_CASE("options go to the strategy that has them, and an unclear one is refused") {
  const StrategyRegistry registry = with("hold", Role::regulariser);
  CHECK_THROWS_WITH(parse_method(registry, "ewc+hold", {{"lambda", "2"}}),
                    "option 'lambda' of method 'ewc+hold' belongs to both 'ewc' and 'hold'; write "
                    "'hold.lambda'");
  CHECK_THROWS_WITH(parsed("ewc", {{"lora.rank", "2"}}),
                    "option 'lora.rank' is for 'lora', which method 'ewc' does not have; it has: "
                    "ewc");
  CHECK_THROWS_WITH(parsed("si", {{"cc", "2"}}),
                    "unknown option 'cc' of si; known options: c, clamp, gradient, xi");
  CHECK_THROWS_WITH(parsed("finetune", {{"c", "2"}}),
                    "unknown option 'c' of method 'finetune'; known options: none");
}

TEST_CASE("an option that another one switches off is refused when the strategy is made") {
  const auto made = [](const std::string& method, const OptionMap& options) {
    make_method(builtin_methods(), parsed(method, options).parts);
  };
  CHECK_THROWS_WITH(
      made("ewc", {{"decay_in_loss", "true"}}),
      "ewc: decay_in_loss = true does nothing with mode = offline; set mode = online, "
      "or leave decay_in_loss out");
  CHECK_THROWS_WITH(made("ewc-kfac", {{"mode", "offline"}, {"gamma", "0.5"}}),
                    "ewc-kfac: gamma = 0.5 does nothing with mode = offline; set mode = online, or "
                    "leave gamma out");
  CHECK_THROWS_WITH(
      made("ewc", {{"combine", "average"}}),
      "ewc: combine = average does nothing with mode = offline; set mode = online, or "
      "leave combine out");
  CHECK_THROWS_WITH(made("distill", {{"teacher", "larger"}, {"units", "all"}}),
                    "distill: units = all does nothing with teacher = larger; set teacher = "
                    "previous, or leave units out");
  CHECK_THROWS_WITH(made("ewc", {{"labels", "batched"}, {"per", "token"}}),
                    "ewc: per = token does nothing with labels = batched; set labels = auto or "
                    "sampled or empirical or weighted or predicted, or leave per out");
  CHECK_NOTHROW(made("ewc", {{"mode", "online"}, {"gamma", "0.5"}}));
  CHECK_NOTHROW(made("ewc", {{"gamma", "1.0"}}));  // the default, written out
}

TEST_CASE("every condition of a strategy names options that it has and values that they take") {
  for (const auto& [name, entry] : builtin_methods().entries()) {
    CAPTURE(name);
    for (const OptionCondition& condition : entry.conditions) {
      OptionMap options = entry.complete({});
      REQUIRE(options.contains(condition.option));
      REQUIRE(options.contains(condition.needs));
      for (const std::string& value : condition.values) {
        CHECK_NOTHROW(entry.complete({{condition.needs, value}}));
      }
    }
  }
}

TEST_CASE("a name is taken once, by a strategy or an alias") {
  CHECK_THROWS_WITH(with("ewc", Role::data),
                    "method 'ewc' is there already; give the new one another name");
  CHECK_THROWS_WITH(with("joint", Role::data),
                    "method 'joint' is there already; give the new one another name");
  StrategyRegistry registry = with("hold", Role::data);
  CHECK_THROWS_WITH(registry.add_alias({"ewc", "", {}, {}}),
                    "method 'ewc' is there already; give the new alias another name");
}
