// Folders of bitsandbytes' 4-bit weights as models: what they store is what computes, and what
// disagrees is named. tests/coded_folder_test.cc has what holds for int8 too.
#include "tests/catch.h"
// After Catch.
#include "core/memory.h"
#include "experiments/base_format.h"
#include "tests/coded_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

CodedFolders four_bit_llama(const std::string& format) {
  return CodedFolders(llama_text(), 6, format);
}

StoredTensor floats_as(const std::vector<float>& values) {
  return {"F32",
          {static_cast<int64_t>(values.size())},
          reinterpret_cast<const uint8_t*>(values.data()),
          values.size() * sizeof(float)};
}

}  // namespace

TEST_CASE("a 4-bit folder says so in config.json, and its codes are (out, in) of a Conv1D too") {
  const CodedFolders made(gpt2_text(), 6, "nf4-dq");
  const nlohmann::ordered_json config =
      nlohmann::ordered_json::parse(file_bytes(made.coded.path("config.json")));
  CHECK(config.at("quantization_config") ==
        nlohmann::ordered_json::parse(R"({"quant_method": "bitsandbytes", "load_in_8bit": false,
            "load_in_4bit": true, "llm_int8_threshold": 6.0,
            "llm_int8_skip_modules": ["lm_head"], "llm_int8_has_fp16_weight": false,
            "llm_int8_enable_fp32_cpu_offload": false, "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "float32",
            "bnb_4bit_quant_storage": "uint8"})"));
  const SafetensorsFile file(made.coded.path("model.safetensors"));
  const std::string attention = "transformer.h.0.attn.c_attn.weight";
  CHECK(file.at(attention).shape == std::vector<int64_t>{24 * 8 / 2, 1});
  CHECK(read_four_bit("x", file.tensors(), attention).shape == std::vector<int64_t>{24, 8});
}

TEST_CASE("4-bit codes and scales are taken as they are stored, never quantised again") {
  install_memory_meter();
  const CodedFolders made = four_bit_llama("nf4");
  // 96 codes 0..15 in turn under scales that are no block's largest magnitude.
  std::vector<uint8_t> codes(48);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * 37);
  const std::vector<float> scales = {0.25f, 3};
  made.change([&](auto& stored) {
    stored.at(kUp + ".weight").data = codes.data();
    stored.at(kUp + ".weight.absmax") = floats_as(scales);
  });
  const int64_t mapped = live_bytes(Category::mapped_weights);
  const auto model = open_folder(made.coded);
  apply_base(base_seams(*model), {"nf4"});
  const Tensor dense = up_of(*model).base().dense().view(-1);
  const float* values = kernels::four_bit_values(kernels::FourBit::nf4);
  for (int64_t i = 0; i < 96; ++i) {
    const uint8_t byte = codes[static_cast<size_t>(i / 2)];
    const int code = i % 2 == 0 ? byte >> 4 : byte & 15;
    CHECK(dense[i].item<float>() == values[code] * scales[static_cast<size_t>(i / 64)]);
  }
  const SafetensorsFile file(made.coded.path("model.safetensors"));
  int64_t bytes = 0;
  for (const auto& [name, stored] : file.tensors()) {
    std::string weight;
    if (!beside_four_bit(name, &weight)) bytes += static_cast<int64_t>(stored.bytes);
  }
  CHECK(live_bytes(Category::mapped_weights) - mapped == bytes);
}

TEST_CASE("nested scales go by the map that is stored") {
  const CodedFolders made = four_bit_llama("fp4-dq");
  const Tensor before = up_of(*open_folder(made.coded)).base().dense();
  const SafetensorsFile file(made.coded.path("model.safetensors"));
  const FourBitTensor was = read_four_bit("x", file.tensors(), kUp + ".weight");
  // Half of every value: scales are map * absmax + offset, so half as far from the offset.
  std::vector<float> map(was.nested->map->values(), was.nested->map->values() + 256);
  for (float& value : map) value /= 2;
  made.change([&](auto& stored) { stored.at(kUp + ".weight.nested_quant_map") = floats_as(map); });
  const Tensor after = up_of(*open_folder(made.coded)).base().dense();
  const float offset = was.nested->offset;
  for (int64_t i : {0, 5, 63, 64, 95}) {
    const float scale = was.scales()[static_cast<size_t>(i / 64)];
    const float value = before.view(-1)[i].item<float>();
    const float expected = value / scale * (offset + (scale - offset) / 2);
    CHECK(after.view(-1)[i].item<float>() == Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("codes packed into another dtype are the same bytes") {
  const CodedFolders made = four_bit_llama("nf4");
  const auto logits = [&] { return row_logits(*open_folder(made.coded), {3, 7, 12, 1, 9}); };
  const Tensor before = logits();
  made.change([&](auto& stored) {
    StoredTensor& codes = stored.at(kUp + ".weight");
    codes.dtype = "BF16";  // bnb_4bit_quant_storage = bfloat16
    codes.shape = {24, 1};
  });
  CHECK(logits().equal(before));
}

TEST_CASE("every fault of a 4-bit folder is listed, each with its tensor") {
  const CodedFolders made = four_bit_llama("nf4");
  const Checkpoint dense(made.dense.folder());
  const std::string q = "model.layers.1.self_attn.q_proj.weight",
                    k = "model.layers.1.self_attn.k_proj.weight",
                    down = "model.layers.1.mlp.down_proj.weight";
  made.change([&](auto& stored) {
    stored.erase(q + ".absmax");
    for (const char* part : {".absmax", ".quant_map", ".quant_state.bitsandbytes__nf4"}) {
      stored.erase(k + part);
      // Codes of (12, 8) where (8, 12) is.
      stored.at(down + part) = stored.at(kUp + ".weight" + part);
    }
    stored.at(k) = dense.at(k);
    stored["model.layers.7.weight.absmax"] = stored.at(down + ".absmax");
  });
  const std::string error = made.error();
  CHECK_THAT(error, Contains("\n  : the 4-bit weight '" + q + "' has no '" + q + ".absmax'") &&
                        Contains("\n  " + k + ": F32, expected codes with '" + k +
                                 ".quant_state.bitsandbytes__nf4', as quantization_config says "
                                 "load_in_4bit; write it quantised, or name "
                                 "'model.layers.1.self_attn.k_proj' in llm_int8_skip_modules") &&
                        Contains("\n  " + down +
                                 ": 4-bit codes of shape [12, 8], expected [8, "
                                 "12]") &&
                        Contains("\n  unexpected: model.layers.7.weight.absmax"));
  CHECK(std::count(error.begin(), error.end(), '\n') == 4);
}

TEST_CASE("a 4-bit folder whose config.json says another format is refused") {
  const CodedFolders made = four_bit_llama("nf4");
  const auto stored_as = [](const std::string& format) {
    return "\n  " + kUp + ".weight: stored as nf4, but quantization_config says " + format +
           " (bnb_4bit_quant_type, bnb_4bit_use_double_quant); they have to be of one model";
  };
  made.change_config("bnb_4bit_use_double_quant", true);
  CHECK_THAT(made.error(), Contains(stored_as("nf4-dq")));
  made.change_config("bnb_4bit_quant_type", "fp4");
  CHECK_THAT(made.error(), Contains(stored_as("fp4-dq")));
  made.change_config("load_in_8bit", true);
  made.change_config("load_in_4bit", false);
  CHECK_THAT(made.error(), Contains("\n  " + kUp + ".weight: U8, expected I8 with '" + kUp +
                                    ".SCB', as quantization_config says load_in_8bit"));
}

TEST_CASE("modules that a 4-bit folder skips are float") {
  const CodedFolders made = four_bit_llama("fp4");
  const Checkpoint dense(made.dense.folder());
  made.change([&](auto& stored) {
    for (const char* part : {".absmax", ".quant_map", ".quant_state.bitsandbytes__fp4"}) {
      stored.erase(kUp + ".weight" + part);
    }
    stored.at(kUp + ".weight") = dense.at(kUp + ".weight");
  });
  made.change_config("llm_int8_skip_modules", {"lm_head", "layers.0.mlp.up_proj"});
  const auto model = open_folder(made.coded);
  CHECK(base_seams(*model).size() == 2 * 7 - 1);
  CHECK(up_of(*model).base().dense().equal(up_of(*open_folder(made.dense)).base().dense()));
}
