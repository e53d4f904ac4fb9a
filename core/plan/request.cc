#include "core/plan/request.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

#include "core/error.h"

namespace lethe::plan {
namespace {

void require(const std::string& option, const std::string& value,
             const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  fail("--{} is '{}'; expected one of {}", option, value, fmt::join(known, ", "));
}

void at_least(const std::string& option, int64_t value, int64_t least) {
  if (value < least) fail("--{} is {}; expected at least {}", option, value, least);
}

[[noreturn]] void excluded(const std::string& one, const std::string& other,
                           const std::string& why) {
  fail("{} excludes {}: {}; drop one of them", one, other, why);
}

void check_levers(const PlanRequest& request) {
  const Levers& levers = request.levers;
  if (levers.bf16 && levers.stochastic) {
    excluded("bf16", "bf16-stochastic", "the one keeps a float32 copy, the other does without");
  }
  if (request.dtype == "float32" && levers.narrow()) {
    excluded(levers.bf16 ? "bf16" : "bf16-stochastic", "--dtype float32",
             "it stores weights in bf16");
  }
  if (levers.backward_update && levers.accumulate > 1) {
    excluded("optimizer-in-backward", "accumulate", "a sum over passes needs the whole gradient");
  }
  if (request.mapped && (levers.narrow() || request.dtype == "bf16")) {
    excluded("--mapped", "bf16", "a mapped file is read as float32, and bf16 weights are copies");
  }
  const bool adam = request.optimizer == "adamw" || request.optimizer == "adam";
  if (levers.moments_8bit && !adam) {
    excluded("adamw8bit", "--optimizer " + request.optimizer, "only Adam has two moments");
  }
  if (levers.offload_moments && request.optimizer == "sgd") {
    excluded("offload-optimizer", "--optimizer sgd", "it has no moments");
  }
  if (levers.accumulate > 1 && request.batch % levers.accumulate != 0) {
    fail("accumulate={} does not divide --batch {}; give a divisor", levers.accumulate,
         request.batch);
  }
}

}  // namespace

void check(const PlanRequest& request) {
  at_least("batch", request.batch, 1);
  at_least("length", request.length, 1);
  at_least("rank", request.rank, 1);
  at_least("virtual-tokens", request.virtual_tokens, 1);
  at_least("tasks", request.tasks, 1);
  at_least("budget", request.budget, 0);
  at_least("memory-rows", request.memory_rows, 0);
  at_least("target-length", request.target_length, 0);
  at_least("predicted", request.predicted, 0);
  if (!request.base.empty()) {
    require("base", request.base, {"float", "bf16", "int8", "nf4", "nf4-dq", "fp4", "fp4-dq"});
  }
  const std::vector<std::string> types = {"float32", "bf16"};
  if (!request.dtype.empty()) require("dtype", request.dtype, types);
  require("adapter-dtype", request.adapter_dtype, types);
  require("compute", request.compute, types);
  require("optimizer", request.optimizer, {"adamw", "adam", "sgd", "sgd-momentum"});
  const int64_t block = request.block;
  if (block < 32 || block > 4096 || (block & (block - 1)) != 0) {
    fail("--block is {}; expected a power of two from 32 to 4096", block);
  }
  check_levers(request);
}

int64_t value_bytes(const std::string& dtype) { return dtype == "bf16" ? 2 : 4; }

int64_t parse_memory(const std::string& text) {
  static const std::map<std::string, double> units = {
      {"", 1},      {"b", 1},        {"kb", 1e3},     {"mb", 1e6},     {"gb", 1e9},
      {"tb", 1e12}, {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  unit.erase(0, std::min(unit.find_first_not_of(' '), unit.size()));
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto factor = units.find(unit);
  const double bytes = factor == units.end() ? 0 : number * factor->second;
  if (error != std::errc() || !(bytes >= 1) || bytes > 0x1p62) {
    fail("'{}' is no amount of memory; expected such as 80GiB, 24 GB, 512MiB", text);
  }
  if (unit.empty() && bytes < 1024) {  // such as 80, meant as GiB
    fail("'{}' is {:.0f} bytes of memory; name the unit, such as {}GiB, or B for bytes", text,
         bytes, text);
  }
  return static_cast<int64_t>(std::llround(bytes));
}

}  // namespace lethe::plan
