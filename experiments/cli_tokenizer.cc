#include "experiments/cli_tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/text/json_file.h"
#include "core/text/load_tokenizer.h"
#include "core/text/marked_text.h"
#include "core/text/train_bpe.h"
#include "experiments/commands.h"

namespace lethe {
namespace {

std::string standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

/// The numbers of a text, with white space between them.
std::vector<int64_t> ids_of(const std::string& text) {
  std::vector<int64_t> ids;
  size_t at = 0;
  while ((at = text.find_first_not_of(" \t\r\n", at)) != std::string::npos) {
    const size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
    const std::string word = text.substr(at, end - at);
    int64_t id = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), id);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) {
      fail("'{}' is no token id; expected whole numbers with spaces between", word);
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void train(const TokenizerArguments& arguments) {
  BpeTrainer trainer(arguments.special);
  for (const std::string& path : arguments.inputs) trainer.add_text(path, file_bytes(path));
  const TrainedBpe trained = trainer.train(arguments.vocabulary);
  write_tokenizer(trained, arguments.output);
  fmt::print("tokenizer: {} ({} tokens, {} merges)\n", arguments.output, trained.tokens.size(),
             trained.merges.size());
  const auto missing = arguments.vocabulary - static_cast<int64_t>(trained.tokens.size());
  if (missing > 0) {
    fmt::print(stderr, "note: {} tokens fewer than asked: the text has no further pairs\n",
               missing);
  }
}

void encode(const TokenizerArguments& arguments) {
  const auto tokenizer = load_tokenizer(arguments.folder);
  const std::string text = arguments.from_stdin ? standard_input() : arguments.text;
  const auto ids = arguments.marks ? encode_marked(*tokenizer, text) : tokenizer->encode(text);
  if (!arguments.tokens) {
    print(fmt::format("{}\n", fmt::join(ids, " ")));
    return;
  }
  for (const int64_t id : ids) print(fmt::format("{}\t{}\n", id, tokenizer->token(id)));
}

void decode(const TokenizerArguments& arguments) {
  const auto tokenizer = load_tokenizer(arguments.folder);
  const auto ids = arguments.ids.empty() ? ids_of(standard_input()) : arguments.ids;
  print((arguments.keep_special ? tokenizer->decode_with_special(ids) : tokenizer->decode(ids)) +
        "\n");
}

void add_train(CLI::App& group, TokenizerArguments& arguments) {
  auto* command = group.add_subcommand("train", "Learn a byte-level BPE from text files");
  command->add_option("--input", arguments.inputs, "Text files, UTF-8")->required();
  command->add_option("--vocab", arguments.vocabulary, "Tokens: special ones, 256 bytes, merges")
      ->required();
  command->add_option("--out", arguments.output, "Folder to write")->required();
  command->add_option("--special", arguments.special,
                      "Special tokens, ids from 0 on; the first begins and ends texts");
  command->footer(
      "Example: lethe tokenizer train --input corpus.txt --vocab 4096 --out my_tokenizer --special "
      "'<|endoftext|>'");
  command->callback([&arguments] { arguments.action = "train"; });
}

void add_encode(CLI::App& group, TokenizerArguments& arguments) {
  auto* command = group.add_subcommand("encode", "Print a text's token ids");
  command->add_option("--tokenizer", arguments.folder, "Folder of the tokenizer")->required();
  auto* text = command->add_option("text", arguments.text, "Else the standard input");
  command->add_flag("--marks", arguments.marks, "Add the marks that the model expects");
  command->add_flag("--tokens", arguments.tokens, "A line for each token, with its spelling");
  command->callback([&arguments, text] {
    arguments.action = "encode";
    arguments.from_stdin = text->count() == 0;
  });
}

void add_decode(CLI::App& group, TokenizerArguments& arguments) {
  auto* command = group.add_subcommand("decode", "Print the text of token ids");
  command->add_option("--tokenizer", arguments.folder, "Folder of the tokenizer")->required();
  command->add_option("ids", arguments.ids, "Else the standard input");
  command->add_flag("--keep-special", arguments.keep_special, "Spell special tokens out");
  command->callback([&arguments] { arguments.action = "decode"; });
}

}  // namespace

Command add_tokenizer(CLI::App& app) {
  const auto arguments = std::make_shared<TokenizerArguments>();
  auto* group = app.add_subcommand("tokenizer", "Train a tokenizer, or see what one makes of text");
  group->require_subcommand(1);
  add_train(*group, *arguments);
  add_encode(*group, *arguments);
  add_decode(*group, *arguments);
  return {group, [arguments] { return tokenizer_command(*arguments); }};
}

int tokenizer_command(const TokenizerArguments& arguments) {
  if (arguments.action == "train") {
    train(arguments);
  } else if (arguments.action == "encode") {
    encode(arguments);
  } else {
    decode(arguments);
  }
  return 0;
}

}  // namespace lethe
