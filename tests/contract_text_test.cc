// The contract on rows of tokens, and on quantised weights.
#include "tests/catch.h"
// After Catch.
#include "core/contract.h"
#include "methods/methods.h"

using namespace lethe;

namespace {

using Faults = std::vector<std::string>;

Faults on_text(const std::string& method, const OptionMap& options = {},
               const std::string& base = "float") {
  std::vector<Part> parts = parse_method(builtin_methods(), method, options).parts;
  for (Part& part : parts) {
    if (part.options.contains("budget")) part.options["budget"] = "8";
  }
  return contract_violations(builtin_methods(), parts, {.images = false, .base = base});
}

}  // namespace

TEST_CASE("strategies keep the contract on text") {
  for (const char* method : {"ewc", "mas", "si", "l2", "rwalk", "distill", "replay", "a-gem"}) {
    CAPTURE(method);
    CHECK(on_text(method) == Faults{});
  }
}

TEST_CASE("combinations and settings off the default keep the contract on text") {
  CHECK(on_text("lora+ewc", {{"per", "token"}}) == Faults{});
  CHECK(on_text("prompt+mas") == Faults{});
  CHECK(on_text("distill", {{"teacher", "larger"}, {"logits", "recorded"}}) == Faults{});
  CHECK(on_text("replay", {{"selection", "reservoir"}, {"per", "total"}, {"fill", "steps"}}) ==
        Faults{});
}

TEST_CASE("adapters keep the contract on weights in NF4, on images and on text") {
  for (const char* method : {"lora", "dora", "inclora", "lora+ewc"}) {  // lora there is qlora
    CAPTURE(method);
    CHECK(on_text(method, {}, "nf4") == Faults{});
  }
  const std::vector<Part> qlora = parse_method(builtin_methods(), "qlora", {}).parts;
  CHECK(contract_violations(builtin_methods(), qlora, {.text = false, .base = "nf4"}) == Faults{});
}
