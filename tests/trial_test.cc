#include "core/trial.h"

#include <catch2/catch.hpp>

namespace lethe {
namespace {

TrialSpec lora_and_ewc() {
  TrialSpec spec;
  spec.method = {{"lora", {{"rank", "4"}}}, {"ewc", {{"lambda", "100"}, {"gamma", "1"}}}};
  spec.model = {"decoder", {{"width", "64"}, {"base", "float"}}};
  spec.stream = {"instructions", {{"rows", "200"}}};
  spec.training = {{"lr", "0.001"}};
  spec.seed = 3;
  return spec;
}

}  // namespace

TEST_CASE("the canonical text is one sorted line a fact", "[trial]") {
  CHECK(canonical_text(lora_and_ewc()) ==
        "method = lora+ewc\n"
        "method.ewc.gamma = 1\n"
        "method.ewc.lambda = 100\n"
        "method.lora.rank = 4\n"
        "model.base = float\n"
        "model.name = decoder\n"
        "model.width = 64\n"
        "seed = 3\n"
        "stream.name = instructions\n"
        "stream.rows = 200\n"
        "train.lr = 0.001");
}

TEST_CASE("a trial without strategies is finetune", "[trial]") {
  TrialSpec spec;
  spec.model.name = "mlp";
  spec.stream.name = "mnist";
  CHECK(canonical_text(spec) ==
        "method = finetune\nmodel.name = mlp\nseed = 1\nstream.name = mnist");
  CHECK(method_label(spec) == "finetune");
}

TEST_CASE("every fact of a trial changes its canonical text", "[trial]") {
  const std::string text = canonical_text(lora_and_ewc());
  std::vector<TrialSpec> others(7, lora_and_ewc());
  others[0].seed = 4;
  others[1].method[1].options["lambda"] = "10";
  others[2].model.name = "encoder";
  others[3].stream.options["rows"] = "201";
  others[4].training["lr"] = "0.01";
  others[5].method.pop_back();
  others[6].method[0].name = "ia3";
  for (const TrialSpec& other : others) CHECK(canonical_text(other) != text);
}

TEST_CASE("the label names lora on an nf4 base qlora, and any other base; the text does not",
          "[trial]") {
  TrialSpec spec = lora_and_ewc();
  CHECK(method_label(spec) == "lora+ewc");
  spec.model.options["base"] = "nf4";
  CHECK(method_label(spec) == "qlora+ewc");
  CHECK(canonical_text(spec).starts_with("method = lora+ewc\n"));
  spec.method.erase(spec.method.begin());
  CHECK(method_label(spec) == "ewc on nf4");
  spec = lora_and_ewc();
  spec.model.options["base"] = "int8";
  CHECK(method_label(spec) == "lora+ewc on int8");
  spec.model.options["base"] = "float";
  CHECK(method_label(spec) == "lora+ewc");
}

TEST_CASE("a value with a line break cannot pass for another option", "[trial]") {
  TrialSpec spec = lora_and_ewc();
  spec.training = {{"note", "a\nseed = 9\\"}};
  CHECK(canonical_text(spec).ends_with("\ntrain.note = a\\nseed = 9\\\\"));
}

TEST_CASE("a strategy from a plugin stands in the canonical text with its file's digest",
          "[trial]") {
  TrialSpec spec = lora_and_ewc();
  const std::string built_in = canonical_text(spec);
  spec.method[1].plugin = "abc";
  std::string expected = built_in;
  expected.insert(expected.find("seed = 3"), "plugin.ewc = abc\n");
  CHECK(canonical_text(spec) == expected);
  CHECK(method_label(spec) == "lora+ewc");
}

TEST_CASE("an option that would hide a part's name is refused", "[trial]") {
  TrialSpec spec = lora_and_ewc();
  spec.stream.options["name"] = "other";
  CHECK_THROWS_WITH(canonical_text(spec),
                    "option 'name' of stream instructions is taken by the stream's own name; call "
                    "the option something else");
}

}  // namespace lethe
