// Several sets of adapters on one base, one of them in force at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/adapters/learned.h"

namespace lethe {

/// Switching costs no copy of a weight: adapters are put on their seams or taken off, and values
/// that a set has of its own (whole modules, biases, norms, virtual tokens) change places with the
/// base's. For evaluation: while an arena is laid out over a value that a set replaces, do not
/// switch. The model outlives this; its destructor leaves the base alone in force.
class AdapterSets {
 public:
  explicit AdapterSets(Model& model);
  ~AdapterSets();
  AdapterSets(const AdapterSets&) = delete;
  AdapterSets& operator=(const AdapterSets&) = delete;

  /// Throws Error for a name that is taken or empty, and for what attach() refuses.
  void add(const std::string& name, const Learned& learned);
  /// Puts the set in force, or the base alone where `name` is empty. Throws Error listing the sets.
  void activate(const std::string& name);
  const std::string& active() const { return active_; }
  std::vector<std::string> names() const;

 private:
  struct Set;
  void exchange(Set& set);

  Model& model_;
  std::map<std::string, std::unique_ptr<Set>> sets_;
  std::string active_;
};

}  // namespace lethe
