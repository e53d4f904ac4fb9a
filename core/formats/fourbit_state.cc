#include "core/formats/fourbit_state.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text/json_file.h"

namespace lethe {
namespace {

constexpr const char* kWeightDtypes[] = {"float32", "bfloat16", "float16"};

[[noreturn]] void refuse_value(const JsonAt& at, std::string_view expected) {
  fail("{}: expected {}, found {}", at.where(), expected, at.value().dump());
}

std::vector<int64_t> shape_of(const JsonAt& list) {
  std::vector<int64_t> shape;
  int64_t elements = 1;
  for (size_t i = 0; i < list.size(); ++i) {
    shape.push_back(list.at(i).integer());
    if (shape.back() < 1 || __builtin_mul_overflow(elements, shape.back(), &elements)) {
      refuse_value(list.at(i), "a size above 0 of a weight that fits into memory");
    }
  }
  if (shape.empty()) refuse_value(list, "the sizes of a weight");
  return shape;
}

/// A number as Python's json writes a float.
std::string python_number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

FourBitState parse_four_bit_state(const std::string& where, std::string_view text,
                                  kernels::FourBit format) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) fail("{} is no JSON object", where);
  const JsonAt state(parsed, where);
  FourBitState read{.format = format};
  if (state.at("quant_type").text() != kernels::four_bit_name(format)) {
    refuse_value(state.at("quant_type"), kernels::four_bit_name(format));
  }
  read.block = state.at("blocksize").integer();
  try {
    kernels::check_four_bit_block(read.block);
  } catch (const Error& error) {
    fail("{}: {}", where, error.what());
  }
  read.dtype = state.at("dtype").text();
  if (std::find(std::begin(kWeightDtypes), std::end(kWeightDtypes), read.dtype) ==
      std::end(kWeightDtypes)) {
    refuse_value(state.at("dtype"), "float32, bfloat16 or float16");
  }
  read.shape = shape_of(state.at("shape"));
  if (!state.find("nested_blocksize")) return read;
  read.nested_block = state.at("nested_blocksize").integer();
  if (read.nested_block < 1) refuse_value(state.at("nested_blocksize"), "a number above 0");
  const JsonAt offset = state.at("nested_offset");
  if (!offset.value().is_number()) refuse_value(offset, "a number");
  read.nested_offset = offset.value().get<double>();
  if (!std::isfinite(static_cast<float>(read.nested_offset))) {
    refuse_value(offset, "a finite float32");
  }
  return read;
}

std::string four_bit_state_text(const FourBitState& state) {
  std::string text = fmt::format(
      R"({{"quant_type": "{}", "blocksize": {}, "dtype": "{}", "shape": [{}])",
      kernels::four_bit_name(state.format), state.block, state.dtype, fmt::join(state.shape, ", "));
  if (state.nested_block > 0) {
    text +=
        fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {})",
                    state.nested_block, python_number(state.nested_offset));
  }
  return text + "}";
}

}  // namespace lethe
