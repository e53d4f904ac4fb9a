#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <sstream>

#include "core/error.h"
#include "core/plan/request.h"

namespace lethe::plan {
namespace {

constexpr int64_t kChunk = 256;  // positions at once where a lever names no number

/// A lever: its text, and the field that it sets. Those with a count have `usual` > 0.
struct Lever {
  LeverDoc doc;
  int64_t Levers::*count = nullptr;
  bool Levers::*flag = nullptr;
  int64_t usual = 0, off = 0;
};

/// In the order of what they cost in time, as measured (docs/memory.md).
const std::vector<Lever>& levers() {
  static const std::vector<Lever> all = {
      {{"optimizer-in-backward", "values move as soon as their gradient is there", "no extra work"},
       nullptr,
       &Levers::backward_update},
      {{"chunked-loss", "logits of so many predicted positions at once", "no extra work"},
       &Levers::chunk,
       nullptr,
       kChunk,
       0},
      {{"accumulate", "a step's rows in so many forward passes", "smaller products"},
       &Levers::accumulate,
       nullptr,
       2,
       1},
      {{"adamw8bit", "moments of tensors from 4,096 values on in 8 bits",
        "one pass over the moments"},
       nullptr,
       &Levers::moments_8bit},
      {{"checkpointing", "of so many blocks only the input is kept", "one more forward pass"},
       &Levers::checkpoint,
       nullptr,
       1,
       0},
      {{"bf16", "weights in bf16, trained ones with a float32 copy",
        "products over tiles; one pass over trained values"},
       nullptr,
       &Levers::bf16},
      {{"bf16-stochastic", "weights in bf16, trained ones rounded at random",
        "products over tiles; one pass over trained values"},
       nullptr,
       &Levers::stochastic},
      {{"offload-optimizer", "moments on the host", "moments to the device and back, once a step"},
       nullptr,
       &Levers::offload_moments},
      {{"offload-activations", "what blocks keep on the host", "activations to the host and back"},
       nullptr,
       &Levers::offload_activations},
      {{"offload-weights",
        "frozen weights of blocks on the host, the one in use and the next on the device",
        "frozen weights to the device, twice a pass"},
       nullptr,
       &Levers::offload_weights}};
  return all;
}

const Lever& lever_called(const std::string& name) {
  for (const Lever& lever : levers()) {
    if (lever.doc.name == name) return lever;
  }
  std::vector<std::string> known;
  for (const Lever& lever : levers()) known.push_back(lever.doc.name);
  fail("unknown lever '{}'; known levers: {}", name, fmt::join(known, ", "));
}

bool is_on(const Levers& levers, const Lever& lever) {
  return lever.flag != nullptr ? levers.*lever.flag : levers.*lever.count != lever.off;
}

void set(Levers& levers, const std::string& word) {
  const size_t equals = word.find('=');
  const Lever& lever = lever_called(word.substr(0, equals));
  if (is_on(levers, lever)) fail("lever '{}' is named twice; name it once", lever.doc.name);
  if (lever.flag != nullptr) {
    if (equals != std::string::npos) {
      fail("lever '{}' takes no value; write {}", word, lever.doc.name);
    }
    levers.*lever.flag = true;
    return;
  }
  int64_t value = lever.usual;
  if (equals != std::string::npos) {
    const char *first = word.data() + equals + 1, *last = word.data() + word.size();
    const auto [end, error] = std::from_chars(first, last, value);
    const int64_t least = lever.off + 1;
    if (error != std::errc() || end != last || value < least) {
      fail("lever '{}': expected a number from {} on, such as {}={}", word, least, lever.doc.name,
           lever.usual);
    }
  }
  levers.*lever.count = value;
}

}  // namespace

const std::vector<LeverDoc>& lever_docs() {
  static const std::vector<LeverDoc> docs = [] {
    std::vector<LeverDoc> all;
    for (const Lever& lever : levers()) all.push_back(lever.doc);
    return all;
  }();
  return docs;
}

Levers parse_levers(const std::string& text) {
  Levers levers;
  if (text == "none") return levers;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) set(levers, word);
  return levers;
}

std::string levers_text(const Levers& on) {
  std::vector<std::string> words;
  for (const Lever& lever : levers()) {
    if (!is_on(on, lever)) continue;
    words.push_back(lever.flag != nullptr ? lever.doc.name
                                          : fmt::format("{}={}", lever.doc.name, on.*lever.count));
  }
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ","));
}

Levers with_lever(Levers on, const std::string& name) {
  if (!has_lever(on, name)) set(on, name);
  return on;
}

bool has_lever(const Levers& on, const std::string& name) { return is_on(on, lever_called(name)); }

}  // namespace lethe::plan
