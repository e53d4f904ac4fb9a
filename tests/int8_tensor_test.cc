#include "core/formats/int8_tensor.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/formats/hf_quantisation.h"

namespace lethe {
namespace {

constexpr const char* kWhere = "model.safetensors: 'up.";
constexpr const char* kAgain = "; fetch the checkpoint again, or write it again with bitsandbytes";

/// A (2, 3) weight.
struct Int8TensorCase {
  Int8TensorCase() { parts = int8_parts(weight, "up.weight"); }
  /// What reading it says.
  std::string error() const {
    try {
      read_int8("model.safetensors", parts, "up.weight", 2, 3);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  const int8_t codes[6] = {-127, 3, 0, 5, 127, -1};
  Int8Tensor weight{2, 3, codes, {0.5f, 2}};
  std::map<std::string, StoredTensor> parts;
};

std::string config_refusal(const std::string& quantisation, const std::string& type = "llama") {
  try {
    stored_quantisation(HfConfig::parse(
        R"({"model_type": ")" + type + R"(", "quantization_config": )" + quantisation + "}",
        "config.json"));
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("an int8 weight has the three tensors of bitsandbytes, and comes back from them") {
  const Int8TensorCase made;
  REQUIRE(made.parts.size() == 3);
  CHECK(made.parts.at("up.weight").dtype == "I8");
  CHECK(made.parts.at("up.weight").shape == std::vector<int64_t>{2, 3});
  CHECK(made.parts.at("up.SCB").dtype == "F32");
  CHECK(made.parts.at("up.SCB").shape == std::vector<int64_t>{2});
  const StoredTensor& format = made.parts.at("up.weight_format");
  CHECK(format.dtype == "U8");
  CHECK(format.shape.empty());
  CHECK(format.data[0] == 0);
  const Int8Tensor read = read_int8("x", made.parts, "up.weight", 2, 3);
  CHECK(std::memcmp(read.codes, made.codes, sizeof made.codes) == 0);
  CHECK(read.absmax == made.weight.absmax);
  std::string weight;
  CHECK((beside_int8("up.SCB", &weight) && weight == "up.weight"));
  CHECK((beside_int8("up.weight_format", &weight) && weight == "up.weight"));
  CHECK_FALSE(beside_int8("up.weight", &weight));
  CHECK_FALSE(beside_int8("up.xSCB", &weight));
  CHECK(is_int8(made.parts, "up.weight"));
  CHECK_FALSE(is_int8(made.parts, "up.SCB"));
  CHECK_FALSE(is_int8(made.parts, "down.weight"));
}

TEST_CASE("a file of before weight_format is read") {
  Int8TensorCase old;
  old.parts.erase("up.weight_format");
  CHECK(old.error() == "none");
}

TEST_CASE("codes that can't be those of the weight are named") {
  Int8TensorCase made;
  made.parts.at("up.weight").dtype = "F16";
  CHECK(made.error() ==
        std::string(kWhere) +
            "weight' is F16 of shape [2, 3], expected I8 of shape [2, 3], the codes of an int8 "
            "weight" +
            kAgain);
  Int8TensorCase turned;
  turned.parts.at("up.weight").shape = {3, 2};
  CHECK(turned.error() ==
        std::string(kWhere) +
            "weight' is I8 of shape [3, 2], expected I8 of shape [2, 3], the codes of an int8 "
            "weight" +
            kAgain);
  const int8_t below[6] = {0, 0, 0, 0, -128, 0};
  Int8TensorCase low;
  low.parts.at("up.weight").data = reinterpret_cast<const uint8_t*>(below);
  CHECK(low.error() == std::string(kWhere) +
                           "weight' holds -128 at [1, 1], expected codes from -127 to 127" +
                           kAgain);
}

TEST_CASE("scales that are missing or can't be are named") {
  Int8TensorCase lacking;
  lacking.parts.erase("up.SCB");
  CHECK(is_int8(lacking.parts, "up.weight"));
  CHECK(lacking.error() == std::string("model.safetensors: the int8 weight 'up.weight' has no "
                                       "'up.SCB', the scales of its 2 rows") +
                               kAgain);
  const auto shaped = [](const std::string& dtype, const std::vector<int64_t>& shape) {
    Int8TensorCase made;
    made.parts.at("up.SCB").dtype = dtype;
    made.parts.at("up.SCB").shape = shape;
    return made.error();
  };
  const std::string expected =
      std::string(", expected F32 of shape [2], a scale for each row of 'up.weight'") + kAgain;
  CHECK(shaped("F16", {2}) == std::string(kWhere) + "SCB' is F16 of shape [2]" + expected);
  CHECK(shaped("F32", {3}) == std::string(kWhere) + "SCB' is F32 of shape [3]" + expected);
  CHECK(shaped("F32", {2, 1}) == std::string(kWhere) + "SCB' is F32 of shape [2, 1]" + expected);
  const auto holding = [](float second) {
    Int8TensorCase made;
    const float scales[2] = {1, second};
    made.parts.at("up.SCB").data = reinterpret_cast<const uint8_t*>(scales);
    return made.error();
  };
  const std::string finite = std::string(" for row 1, expected a finite number from 0 on") + kAgain;
  CHECK(holding(NAN) == std::string(kWhere) + "SCB' holds nan" + finite);
  CHECK(holding(INFINITY) == std::string(kWhere) + "SCB' holds inf" + finite);
  CHECK(holding(-0.5f) == std::string(kWhere) + "SCB' holds -0.5" + finite);
  CHECK(holding(0) == "none");
}

TEST_CASE("codes that do not lie in rows are refused") {
  Int8TensorCase made;
  const uint8_t turing = 2;
  made.parts.at("up.weight_format").data = &turing;
  CHECK(made.error() == std::string(kWhere) +
                            "weight_format' is 2, expected 0, codes in rows; load and save the "
                            "model with a bitsandbytes of today, which writes rows");
  made.parts.at("up.weight_format").shape = {2};
  CHECK(made.error() ==
        std::string(kWhere) + "weight_format' holds 2 U8, expected one U8" + kAgain);
}

TEST_CASE("quantization_config says threshold and skipped modules") {
  CHECK_FALSE(stored_quantisation(HfConfig::parse(R"({"model_type": "llama"})", "c")));
  const auto read = [](const std::string& type, const std::string& more) {
    return *stored_quantisation(HfConfig::parse(
        R"({"model_type": ")" + type +
            R"(", "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": true)" +
            more + "}}",
        "c"));
  };
  const StoredQuantisation plain = read("llama", R"(, "llm_int8_skip_modules": null)");
  CHECK(plain.base == "int8");
  CHECK(plain.threshold == 6);
  CHECK(plain.skipped.empty());
  const StoredQuantisation own = read("t5", R"(, "llm_int8_threshold": 2.5,
      "llm_int8_skip_modules": ["lm_head", "decoder.block.0"])");
  CHECK(own.threshold == 2.5f);
  CHECK(own.skips("lm_head"));
  CHECK(own.skips("decoder.block.0.layer.0.SelfAttention.q"));
  CHECK_FALSE(own.skips("decoder.block.1.layer.0.SelfAttention.q"));
  CHECK(own.skips("decoder.block.1.layer.2.DenseReluDense.wo"));  // kept in float by transformers
  CHECK_FALSE(own.skips("decoder.block.1.layer.2.DenseReluDense.wi"));
}

TEST_CASE("quantization_config says which 4-bit format") {
  const auto base = [](const std::string& more) {
    return stored_quantisation(
               HfConfig::parse(
                   R"({"model_type": "llama", "quantization_config": {"load_in_4bit": true)" +
                       more + "}}",
                   "c"))
        ->base;
  };
  CHECK(base("") == "fp4");  // transformers' default
  CHECK(base(R"(, "bnb_4bit_quant_type": "nf4")") == "nf4");
  CHECK(base(R"(, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true)") == "nf4-dq");
  CHECK(base(R"(, "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "bfloat16")") ==
        "fp4-dq");
}

TEST_CASE("other quantised folders are refused by key and value") {
  const std::string instead =
      "load the float weights and set base = \"nf4\" or \"int8\" to quantise them";
  const std::string key = "config.json: 'quantization_config";
  CHECK(config_refusal(R"({"bits": 4, "quant_method": "gptq"})") ==
        key + ".quant_method' is \"gptq\", expected bitsandbytes: " + instead);
  CHECK(config_refusal(R"({"load_in_4bit": true, "bnb_4bit_quant_type": "int4"})") ==
        key + ".bnb_4bit_quant_type' is \"int4\", expected nf4 or fp4");
  const std::string either = ", expected one with either load_in_8bit or load_in_4bit: " + instead;
  CHECK(config_refusal(R"({"bits": 4})") == key + "' is {\"bits\":4}" + either);
  CHECK(config_refusal(R"({"load_in_4bit": true, "load_in_8bit": true})") ==
        key + "' is {\"load_in_4bit\":true,\"load_in_8bit\":true}" + either);
  const std::string eight = R"({"load_in_8bit": true, )";
  CHECK(config_refusal(eight + R"("llm_int8_has_fp16_weight": true})") ==
        key +
            ".llm_int8_has_fp16_weight' is true, expected false: weights in float16 are no int8 "
            "weights; leave quantization_config out and set base = \"int8\"");
  CHECK(config_refusal(eight + R"("llm_int8_threshold": -1})") ==
        key + ".llm_int8_threshold' is -1, expected a number from 0 on, 0 = no outliers");
  CHECK(config_refusal(eight + R"("llm_int8_threshold": "6"})") ==
        key + ".llm_int8_threshold' is \"6\", expected a number");
  CHECK(config_refusal(eight + R"("llm_int8_skip_modules": "lm_head"})") ==
        key + ".llm_int8_skip_modules' is \"lm_head\", expected a list of names");
  CHECK(config_refusal(eight + R"("llm_int8_skip_modules": [""]})") ==
        key + ".llm_int8_skip_modules' is [\"\"], expected names of modules");
}

}  // namespace lethe
