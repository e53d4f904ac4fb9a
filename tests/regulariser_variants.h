// The regularisers and the variants of them that tests go through. Include tests/catch.h first.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/regulariser_case.h"

namespace lethe {

inline const std::vector<std::string> kRegularisers = {"ewc", "ewc-kfac", "l2",
                                                       "mas", "rwalk",    "si"};

inline TaskStream four_classes() {
  return same_rows_stream(random_rows(5, 24, 6, {0, 1, 2, 3}), 4);
}

/// A regulariser and options of it.
struct Variant {
  std::string name;
  OptionMap options{};
};

/// Every regulariser by itself, then the readings that change its penalty or how its importances
/// come about.
inline std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const std::string& name : kRegularisers) all.push_back({name});
  for (Variant variant : std::vector<Variant>{
           {"ewc", {{"labels", "sampled"}}},
           {"ewc", {{"labels", "batched"}}},
           {"ewc", {{"rows", "5"}, {"labels", "empirical"}}},
           {"ewc", {{"mode", "online"}, {"gamma", "0.5"}}},
           {"ewc", {{"mode", "online"}, {"gamma", "0.5"}, {"decay_in_loss", "true"}}},
           {"ewc", {{"mode", "online"}, {"gamma", "0.5"}, {"combine", "average"}}},
           {"ewc", {{"heads", "free"}, {"clamp", "0.01"}}},
           {"ewc-kfac", {{"labels", "sampled"}}},
           {"ewc-kfac", {{"mode", "offline"}}},
           {"ewc-kfac", {{"gamma", "0.5"}}},
           {"mas", {{"norm", "unsquared"}, {"combine", "average"}}},
           {"mas", {{"rows", "5"}}},
           {"rwalk", {{"normalise", "false"}}},
           {"si", {{"gradient", "total"}, {"clamp", "false"}}}}) {
    all.push_back(std::move(variant));
  }
  return all;
}

inline Batch some_rows(const Driven& driven) {
  return driven.stream.tasks[0].train->batch({0, 1, 2, 3, 4, 5, 6, 7});
}

}  // namespace lethe
