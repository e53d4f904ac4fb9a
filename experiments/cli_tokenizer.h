// `lethe tokenizer train | encode | decode`. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe {

struct TokenizerArguments {
  std::string action;               ///< "train", "encode" or "decode"
  std::vector<std::string> inputs;  ///< files to train on
  std::vector<std::string> special;
  int64_t vocabulary = 0;
  std::string output;  ///< folder to write
  std::string folder;  ///< folder to read
  std::string text;    ///< to encode; without one, the standard input
  bool from_stdin = true;
  bool marks = false, tokens = false, keep_special = false;
  std::vector<int64_t> ids;  ///< to decode; without any, those on the standard input
};

/// Runs it; the exit code is 0. Throws Error.
int tokenizer_command(const TokenizerArguments& arguments);

}  // namespace lethe
