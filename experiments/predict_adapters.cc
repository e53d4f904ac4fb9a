#include "experiments/predict_adapters.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/formats/peft_read.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

/// Name and folder. A '=' after a '/' is a part of the folder.
std::pair<std::string, std::string> named_folder(const std::string& given) {
  const size_t equals = given.find('=');
  if (equals != std::string::npos && given.find('/') > equals) {
    return {given.substr(0, equals), given.substr(equals + 1)};
  }
  std::filesystem::path path(given);
  if (!path.has_filename()) path = path.parent_path();
  return {path.filename().string(), given};
}

}  // namespace

PredictAdapters::PredictAdapters(Model& model, const Part& part,
                                 const std::vector<std::string>& given, const std::string& use)
    : sets_(model), use_(use) {
  for (const std::string& one : given) {
    const auto [name, folder] = named_folder(one);
    sets_.add(name, read_peft(folder, model, family_of(part)).learned);
    names_.push_back(name);
  }
  if (use.empty() || known(use)) return;
  if (names_.empty()) {
    fail("--use is '{}', but no adapter is given; give it with --adapter {}=DIR", use, use);
  }
  fail("--use is '{}', but no adapter is called so; known: {}", use, fmt::join(names_, ", "));
}

std::string PredictAdapters::of(const PredictRow& row) const {
  if (names_.empty()) return "";
  if (!use_.empty()) return use_;
  if (row.adapter.empty()) return names_.front();
  if (!known(row.adapter)) {
    fail("{} is for the adapter '{}', but none is called so; known: {}", row.name, row.adapter,
         fmt::join(names_, ", "));
  }
  return row.adapter;
}

bool PredictAdapters::known(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::vector<std::vector<size_t>> batches_of(const std::vector<std::string>& adapters, size_t most,
                                            bool neighbours) {
  std::vector<std::string> order;
  for (const std::string& name : adapters) {
    if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
  }
  std::vector<std::vector<size_t>> batches;
  for (const std::string& name : order) {
    bool begins = true;
    for (size_t row = 0; row < adapters.size(); ++row) {
      if (adapters[row] != name) continue;
      const bool full = begins || batches.back().size() == most ||
                        (neighbours && batches.back().back() + 1 != row);
      if (full) batches.emplace_back();
      batches.back().push_back(row);
      begins = false;
    }
  }
  return batches;
}

}  // namespace lethe
