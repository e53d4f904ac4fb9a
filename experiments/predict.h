// `lethe predict`: a trained model on unseen text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe {

struct PredictArguments {
  std::string what, db = "lethe.db";
  std::vector<std::string> prompts;
  std::string input, output, field = "prompt", adapter;
  int64_t longest = 128, batch = 16;
  std::optional<double> temperature, top_p;  ///< temperature 0 = greedy; absent = the folder's own
  std::optional<int64_t> top_k;
  int64_t seed = 1;
  std::vector<std::string> stops;
};

int predict_command(const PredictArguments& arguments);

}  // namespace lethe
