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
  std::string input, output, field = "prompt";
  std::string second;                 ///< field of a pair's second text; empty = no pairs
  std::vector<std::string> adapters;  ///< [NAME=]DIR
  std::string use;  ///< the adapter of all rows; empty = the row's own, else the first
  std::optional<int64_t> longest;  ///< new tokens; absent = the folder's own limit, else 128
  int64_t batch = 16;
  std::optional<double> temperature, top_p;  ///< temperature 0 = greedy; absent = the folder's own
  std::optional<int64_t> top_k, no_repeat_ngram;
  std::optional<double> repetition_penalty;
  int64_t seed = 1;
  std::vector<std::string> stops;
};

int predict_command(const PredictArguments& arguments);

}  // namespace lethe
