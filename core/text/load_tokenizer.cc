#include "core/text/load_tokenizer.h"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "core/digest.h"
#include "core/error.h"
#include "core/text/byte_bpe_files.h"
#include "core/text/sentencepiece.h"
#include "core/text/tokenizer_json.h"
#include "core/text/tokenizer_settings.h"
#include "core/text/word_piece.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& folder, const std::string& name) {
  return fs::is_regular_file(fs::path(folder) / name);
}

/// "tokenizer.model" or "spiece.model", where the folder has one.
std::optional<std::string> sentencepiece_file(const std::string& folder) {
  for (const std::string name : {"tokenizer.model", "spiece.model"}) {
    if (has(folder, name)) return name;
  }
  return std::nullopt;
}

/// The tokenizer of tokenizer.json; nullptr where its model is read from a SentencePiece file.
std::shared_ptr<const Tokenizer> from_json(const TokenizerSettings& settings) {
  const std::string path = (fs::path(settings.folder) / "tokenizer.json").string();
  const nlohmann::json value = parse_json_file(path);
  const JsonAt root(value, path);
  const std::string type = model_type(root);
  if (type == "WordPiece") return read_word_piece(root, settings);
  if (type == "BPE" && is_byte_level(root)) return read_byte_bpe(root, settings);
  if (sentencepiece_file(settings.folder)) return nullptr;
  fail(
      "{} has a model of type {} that is not byte-level, which is read from its SentencePiece "
      "file; "
      "put tokenizer.model or spiece.model beside it",
      path, type);
}

[[noreturn]] void fail_without_files(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    fail("there is no folder {}; give the folder that holds a tokenizer's files", folder);
  }
  fail(
      "the folder {} has no tokenizer; looked for tokenizer.json, tokenizer.model, spiece.model, "
      "vocab.json with merges.txt, and vocab.txt",
      folder);
}

/// The files with the vocabulary.
/// Empty where the folder has none.
std::vector<std::string> vocabulary_files(const std::string& folder) {
  const auto pieces = sentencepiece_file(folder);
  if (has(folder, "tokenizer.json")) {
    return pieces ? std::vector<std::string>{"tokenizer.json", *pieces}
                  : std::vector<std::string>{"tokenizer.json"};
  }
  if (pieces) return {*pieces};
  if (has(folder, "vocab.json") && has(folder, "merges.txt")) return {"vocab.json", "merges.txt"};
  if (has(folder, "vocab.txt")) return {"vocab.txt"};
  return {};
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& folder) {
  const std::vector<std::string> files = vocabulary_files(folder);
  if (files.empty()) fail_without_files(folder);
  const TokenizerSettings settings = read_tokenizer_settings(folder);
  if (files[0] == "tokenizer.json") {
    if (auto tokenizer = from_json(settings)) return tokenizer;
  }
  if (files.back().ends_with(".model")) return read_sentencepiece(settings, files.back());
  if (files[0] == "vocab.json") return read_byte_bpe_pair(settings);
  return read_word_piece(settings);
}

bool has_tokenizer(const std::string& folder) { return !vocabulary_files(folder).empty(); }

std::string tokenizer_digest(const std::string& folder) {
  std::vector<std::string> files = vocabulary_files(folder);
  if (files.empty()) fail_without_files(folder);
  for (std::string& name : read_tokenizer_settings(folder).files) files.push_back(std::move(name));
  std::string text;
  for (const std::string& name : files) {
    text += fmt::format("{} {}\n", name, sha256_file((fs::path(folder) / name).string()));
  }
  return sha256(text);
}

}  // namespace lethe
