#include "core/adapters/sets.h"

#include <utility>

#include "core/error.h"
#include "core/prompt.h"

namespace lethe {

struct AdapterSets::Set {
  std::vector<std::pair<Linear*, std::shared_ptr<Adapter>>> adapters;
  std::vector<std::pair<Tensor, Tensor>> values;  // a parameter, and the data that it has not now
  Tensor rows;                                    // virtual tokens
};

AdapterSets::AdapterSets(Model& model) : model_(model) {}
AdapterSets::~AdapterSets() { activate(""); }

void AdapterSets::add(const std::string& name, const Learned& learned) {
  if (name.empty() || sets_.count(name) > 0) {
    fail("adapters can't be called '{}'; give every set a name of its own", name);
  }
  check_fits(model_, learned);
  auto set = std::make_unique<Set>();
  const std::string active = active_;
  activate("");  // what a set replaces, and a norm that DoRA reads, are the base's
  for (Linear* seam : model_.linears()) {
    const auto found = learned.adapters.find(seam->name());
    if (found == learned.adapters.end()) continue;
    set->adapters.emplace_back(seam, make_adapter(found->second, *seam, model_));
    set->adapters.back().second->join(name);
  }
  for (const Parameter& parameter : model_.parameters()) {
    const auto found = learned.values.find(parameter.name);
    if (found == learned.values.end()) continue;
    set->values.emplace_back(parameter.value, found->second.to(parameter.value.device()));
  }
  const auto rows = learned.values.find("prompt_embeddings");
  if (rows != learned.values.end()) set->rows = rows->second;
  sets_[name] = std::move(set);
  activate(active);
}

void AdapterSets::activate(const std::string& name) {
  if (!name.empty() && sets_.count(name) == 0) {
    fail("no adapters are called '{}'; known: {}", name,
         sets_.empty() ? "none" : fmt::format("{}", fmt::join(names(), ", ")));
  }
  if (name == active_) return;
  if (!active_.empty()) {
    Set& old = *sets_.at(active_);
    for (const auto& [seam, adapter] : old.adapters) seam->remove_adapter(adapter.get());
    if (old.rows.defined()) prompt_of(model_).set(Tensor());
    exchange(old);
  }
  active_ = name;
  if (name.empty()) return;
  Set& fresh = *sets_.at(name);
  exchange(fresh);
  for (const auto& [seam, adapter] : fresh.adapters) {
    seam->add_adapter(adapter);
    adapter->train(model_.training());
  }
  if (fresh.rows.defined()) prompt_of(model_).set(fresh.rows);
}

void AdapterSets::exchange(Set& set) {
  for (auto& [parameter, other] : set.values) {
    const Tensor now = parameter.detach();  // shares the storage that the parameter gives up
    parameter.set_data(other);
    other = now;
  }
}

std::vector<std::string> AdapterSets::names() const {
  std::vector<std::string> found;
  for (const auto& [name, set] : sets_) found.push_back(name);
  return found;
}

}  // namespace lethe
