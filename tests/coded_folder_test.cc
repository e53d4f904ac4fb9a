// Folders of bitsandbytes' int8 weights as models: what they store is what computes. Of 4-bit
// weights what holds for both; tests/fourbit_folder_test.cc has the rest.
#include "tests/catch.h"
// After Catch.
#include "core/memory.h"
#include "experiments/base_format.h"
#include "tests/coded_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

Tensor token_logits(Model& model, const std::string& config) {
  const auto form = model_facts(HfConfig::parse(config, "c")).form;
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(model);
  return model.forward(TokenRows(3, 2, 12, 12, form).batch({0, 1}));
}

/// What the folder in this format computes, and how many of its weights are codes.
void check_as_in_memory(const std::string& family, const std::string& format) {
  CAPTURE(family, format);
  const CodedFolders made(coded_config(family), 6, format);
  const auto read = open_folder(made.coded);
  REQUIRE(read->linears().size() == made.model->linears().size());
  int64_t quantised = 0;
  for (size_t i = 0; i < read->linears().size(); ++i) {
    Linear &ours = *read->linears()[i], &theirs = *made.model->linears()[i];
    CHECK(std::string(ours.base().format()) == theirs.base().format());
    CHECK(ours.base().dense().equal(theirs.base().dense()));
    if (ours.base().format() == format) ++quantised;
  }
  CHECK(quantised > 7);
  const auto logits = [&](Model& model) {
    const bool by_rows = family == "opt" || family == "bloom";
    return by_rows ? row_logits(model, {3, 7, 12, 1, 9})
                   : token_logits(model, coded_config(family));
  };
  const Tensor computed = logits(*read);
  CHECK(computed.equal(logits(*made.model)));
  CHECK_FALSE(computed.equal(logits(*open_folder(made.dense))));
}

}  // namespace

TEST_CASE("a folder of codes computes bit for bit as its float model quantised in memory") {
  for (const char* family : {"gpt2", "llama", "t5", "mt5", "bert", "opt", "bloom"}) {
    check_as_in_memory(family, "int8");
    check_as_in_memory(family, "nf4-dq");
  }
  for (const char* format : {"nf4", "fp4", "fp4-dq"}) check_as_in_memory("llama", format);
}

TEST_CASE("codes of a Conv1D are stored as (out, in), as bitsandbytes has them") {
  const CodedFolders made(gpt2_text());
  const SafetensorsFile file(made.coded.path("model.safetensors"));
  const std::string attention = "transformer.h.0.attn.c_attn.";
  CHECK(file.at(attention + "weight").shape == std::vector<int64_t>{24, 8});
  CHECK(file.at(attention + "weight").dtype == "I8");
  CHECK(file.at(attention + "SCB").shape == std::vector<int64_t>{24});
  CHECK(file.at(attention + "bias").dtype == "F32");
  const nlohmann::ordered_json config =
      nlohmann::ordered_json::parse(file_bytes(made.coded.path("config.json")));
  CHECK(config.at("quantization_config") ==
        nlohmann::ordered_json::parse(R"({"quant_method": "bitsandbytes", "load_in_8bit": true,
            "load_in_4bit": false, "llm_int8_threshold": 6.0,
            "llm_int8_skip_modules": ["lm_head"], "llm_int8_has_fp16_weight": false,
            "llm_int8_enable_fp32_cpu_offload": false})"));
}

TEST_CASE("codes and scales are taken as they are stored, never quantised again") {
  install_memory_meter();
  const CodedFolders made(llama_text());
  // No row's largest code is 127, and a row's scale is not its largest magnitude.
  std::vector<int8_t> codes(12 * 8);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int8_t>(i) - 50;
  std::vector<float> scales(12, 0.25f);
  made.change([&](auto& stored) {
    stored.at(kUp + ".weight").data = reinterpret_cast<const uint8_t*>(codes.data());
    stored.at(kUp + ".SCB").data = reinterpret_cast<const uint8_t*>(scales.data());
  });
  const int64_t mapped = live_bytes(Category::mapped_weights);
  const auto model = open_folder(made.coded);
  apply_base(base_seams(*model), {"int8"});
  const Tensor expected = at::tensor(codes).view({12, 8}).to(at::kFloat) * (0.25f / 127);
  CHECK(up_of(*model).base().dense().equal(expected));
  const SafetensorsFile file(made.coded.path("model.safetensors"));
  int64_t bytes = 0;
  for (const auto& [name, stored] : file.tensors()) {
    const bool copied = name.ends_with(".SCB") || name.ends_with(".weight_format");
    if (!copied) bytes += static_cast<int64_t>(stored.bytes);
  }
  CHECK(live_bytes(Category::mapped_weights) - mapped == bytes);
}

TEST_CASE("outliers begin at config.json's threshold") {
  const std::vector<int64_t> ids = {3, 7, 12, 1, 9};
  const CodedFolders usual(llama_text()), low(llama_text(), 0.5f), none(llama_text(), 0);
  const auto logits = [&](const CodedFolders& folders) {
    const Tensor read = row_logits(*open_folder(folders.coded), ids);
    CHECK(read.equal(row_logits(*folders.model, ids)));
    return read;
  };
  const Tensor six = logits(usual), half = logits(low), off = logits(none);
  CHECK_FALSE(six.equal(half));
  CHECK_FALSE(half.equal(off));
  usual.change_config("llm_int8_threshold", 0.5);
  CHECK(row_logits(*open_folder(usual.coded), ids).equal(half));
}

TEST_CASE("modules that config.json skips are float, and stay so") {
  const CodedFolders made(llama_text());
  const Checkpoint dense(made.dense.folder());
  made.change([&](auto& stored) {
    for (const char* part : {".SCB", ".weight_format"}) stored.erase(kUp + part);
    stored.at(kUp + ".weight") = dense.at(kUp + ".weight");
  });
  CHECK(made.error() ==
        " does not fit the model; its config.json and its weights have to be of one model:\n  " +
            kUp + ".weight: F32, expected I8 with '" + kUp +
            ".SCB', as quantization_config says load_in_8bit; write it quantised, or name '" + kUp +
            "' in llm_int8_skip_modules");
  made.change_config("llm_int8_skip_modules", {"lm_head", "layers.0.mlp.up_proj"});
  const auto model = open_folder(made.coded);
  const auto seams = base_seams(*model);
  CHECK(seams.size() == 2 * 7 - 1);
  apply_base(seams, {"int8"});
  for (Linear* linear : model->linears()) {
    CAPTURE(linear->name());
    const bool dense_now = linear->name() == kUp || linear->kind() == SeamKind::head;
    CHECK(linear->base().format() == std::string(dense_now ? "float" : "int8"));
  }
  // What an adapter was merged into is quantised again, with the folder's threshold.
  made.change_config("llm_int8_threshold", 0.5);
  const auto merged = open_folder(made.coded);
  const auto before = base_seams(*merged);
  Linear& first = *before[0].seam;
  first.set_base(make_dense(first.base().dense() * 2));
  apply_base(before, {"int8"});
  CHECK(first.base().format() == std::string("int8"));
  CHECK(outlier_threshold(first.base()) == 0.5f);
}

TEST_CASE("every fault of an int8 folder is listed, each with its tensor") {
  const CodedFolders made(llama_text());
  std::vector<float> scales(12, 1);
  scales[4] = -2;
  const uint8_t turing = 2;
  made.change([&](auto& stored) {
    stored.erase("model.layers.1.self_attn.q_proj.SCB");
    stored.at("model.layers.1.self_attn.k_proj.weight_format").data = &turing;
    stored.at(kUp + ".SCB").data = reinterpret_cast<const uint8_t*>(scales.data());
    stored["model.layers.7.SCB"] = stored.at(kUp + ".SCB");
  });
  const std::string error = made.error();
  CHECK_THAT(error,
             Contains("\n  : the int8 weight 'model.layers.1.self_attn.q_proj.weight' has no "
                      "'model.layers.1.self_attn.q_proj.SCB', the scales of its 8 rows; "
                      "fetch the checkpoint again, or write it again with bitsandbytes") &&
                 Contains("\n  : 'model.layers.1.self_attn.k_proj.weight_format' is 2, "
                          "expected 0, codes in rows") &&
                 Contains("\n  : '" + kUp + ".SCB' holds -2 for row 4, expected a finite") &&
                 Contains("\n  unexpected: model.layers.7.SCB"));
  CHECK(std::count(error.begin(), error.end(), '\n') == 4);
}

TEST_CASE("int8 weights without quantization_config are no float weights") {
  const CodedFolders made(llama_text());
  made.coded.write("config.json", llama_text());
  CHECK_THAT(made.error(), Contains("\n  " + kUp +
                                    ".weight: I8 of shape [12, 8], expected F32, F16, "
                                    "BF16 or F64 of shape [12, 8]") &&
                               Contains("\n  unexpected: " + kUp + ".SCB"));
}
