// Levers that keep on the host what a device would hold: the same values, and what the meter sees.
// For any device but the CPU. Include tests/catch.h first.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/host_moments.h"
#include "tests/plan_trial.h"

namespace lethe {

/// Host and device bytes of the training steps by category: the most of each.
struct OffloadBytes {
  std::map<std::string, int64_t> host, device;
};

inline OffloadBytes offload_bytes(const TrialResult& result) {
  OffloadBytes bytes;
  for (const Usage& row : result.usage) {
    if (row.phase != "train") continue;
    (row.device == "host" ? bytes.host : bytes.device)[row.category] = row.peak;
  }
  return bytes;
}

inline PlanTrial offload_trial(const at::Device& device, const std::string& family,
                               const std::string& method, const std::string& levers) {
  PlanTrial trial{family, method, levers, 8, 2};
  if (method == "replay") trial.options = {{"budget", "4"}};
  trial.device = device;
  return trial;
}

/// With each of the `levers` a trial ends with the digest and losses that it has without.
inline void check_same_values(const at::Device& device, const std::string& family,
                              const std::string& method, const std::vector<std::string>& levers) {
  const auto trained = [&](const std::string& on) {
    PlanTrial trial = offload_trial(device, family, method, on);
    trial.length = 16;
    return trial.trained();
  };
  const TrialResult plain = trained("none");
  for (const std::string& on : levers) {
    CAPTURE(family, method, on);
    const TrialResult moved = trained(on);
    CHECK(moved.weights_digest == plain.weights_digest);
    REQUIRE(moved.curve.size() == plain.curve.size());
    for (size_t i = 0; i < plain.curve.size(); ++i) {
      CHECK(moved.curve[i].loss == plain.curve[i].loss);
      CHECK(moved.curve[i].penalty == Approx(plain.curve[i].penalty).epsilon(1e-9).margin(1e-12));
    }
  }
}

inline void check_offloaded_values(const at::Device& device) {
  const std::string moments = "offload-optimizer", weights = "offload-weights",
                    kept = "offload-activations", all = moments + "," + weights + "," + kept;
  for (const std::string family : {"llama", "mt5", "bert"}) {
    check_same_values(device, family, "lora+ewc", {weights, kept, all});
  }
  check_same_values(device, "gpt2", "lora", {moments, weights, kept, all + ",checkpointing=2"});
  for (const std::string method : {"finetune", "si", "replay"}) {
    check_same_values(device, "gpt2", method, {moments, kept});
  }
  for (const std::string method : {"freeze", "dora", "ia3"}) {
    check_same_values(device, "gpt2", method, {all});
  }
  check_same_values(device, "llama", "finetune",
                    {moments + ",optimizer-in-backward", kept + ",checkpointing"});
}

/// Moments in 8 bits are the same wherever they lie, and on the host as the plan says.
inline void check_offloaded_byte_moments(const at::Device& device) {
  const std::string here = "adamw8bit", away = "adamw8bit,offload-optimizer";
  for (const std::string method : {"finetune", "lora+ewc"}) {
    CAPTURE(method);
    const auto trained = [&](const std::string& levers) {
      return offload_trial(device, "gpt2", method, levers).trained();
    };
    const TrialResult beside = trained(here), apart = trained(away);
    CHECK(apart.weights_digest == beside.weights_digest);
    CHECK(offload_bytes(beside).device.at("optimizer") > 0);
    CHECK(offload_bytes(apart).device.at("optimizer") == 0);
    CHECK(offload_bytes(apart).host.at("optimizer") ==
          offload_trial(device, "gpt2", method, away).planned().host[plan::Part::optimizer]);
    CHECK_THAT(apart.notes.back(), Catch::Contains("moments in 8 bits on the host"));
    CHECK_THAT(beside.notes.back(), Catch::Contains("moments in 8 bits on the device"));
  }
}

/// Bytes leave the device as the plan says, and are on the host.
inline void check_offloaded_bytes(const at::Device& device, const std::string& family,
                                  const std::string& method) {
  CAPTURE(family, method);
  const auto trial = [&](const std::string& levers) {
    return offload_trial(device, family, method, levers);
  };
  const OffloadBytes plain = offload_bytes(trial("none").trained());
  const plan::Account planned = trial("none").planned();

  const OffloadBytes moments = offload_bytes(trial("offload-optimizer").trained());
  const int64_t two = plain.device.at("optimizer");
  CHECK(two == planned.device[plan::Part::optimizer]);
  CHECK(moments.device.at("optimizer") == 0);
  CHECK(moments.host.at("optimizer") == two);
  CHECK(moments.host.at("optimizer") ==
        trial("offload-optimizer").planned().host[plan::Part::optimizer]);

  const OffloadBytes kept = offload_bytes(trial("offload-activations").trained());
  CHECK(kept.host.at("activations") > plain.host.at("activations"));
  CHECK(kept.device.at("activations") < plain.device.at("activations"));
  const auto saved = [&](auto&& of) {
    return of(trial("none")) - of(trial("offload-activations"));
  };
  const int64_t predicted = saved([](const PlanTrial& one) { return one.planned().peak(); });
  const int64_t seen = saved([](const PlanTrial& one) { return one.measured(); });
  CHECK(predicted > 0);
  // A device without kernels of its own keeps other tensors of the loss than the plan's.
  CHECK(static_cast<double>(seen) == Approx(static_cast<double>(predicted)).epsilon(0.15));
  if (method == "finetune") return;

  const OffloadBytes weights = offload_bytes(trial("offload-weights").trained());
  const int64_t on_host = trial("offload-weights").planned().host[plan::Part::weights];
  CHECK(on_host > 0);
  CHECK(plain.device.at("base weights") - weights.device.at("base weights") == on_host);
  CHECK(weights.host.at("base weights") - plain.host.at("base weights") == on_host);
}

}  // namespace lethe
