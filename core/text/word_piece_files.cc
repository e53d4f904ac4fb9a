#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/text/tokenizer_json.h"
#include "core/text/word_piece.h"

namespace lethe {
namespace {

/// [CLS] first [SEP] second [SEP], where there are both.
void set_bert_marks(WordPieceTokenizer::Parts& parts) {
  if (!parts.roles.classify || !parts.roles.separator) return;
  parts.marks.before = {*parts.roles.classify};
  parts.marks.between = parts.marks.after = {*parts.roles.separator};
}

void read_lines(const std::string& path, Vocabulary& vocabulary) {
  const std::string text = file_bytes(path);
  int64_t id = 0;
  for (size_t at = 0; at < text.size(); ++id) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    vocabulary.add(line, id);
    at = end + 1;
  }
}

/// BERT's own names, where the vocabulary has them.
void name_defaults(const Vocabulary& vocabulary, TokenizerSettings& settings) {
  for (const auto& [key, content] : {std::pair("unk_token", "[UNK]"),
                                     {"sep_token", "[SEP]"},
                                     {"pad_token", "[PAD]"},
                                     {"cls_token", "[CLS]"},
                                     {"mask_token", "[MASK]"}}) {
    if (vocabulary.find(content)) settings.name_default(key, content);
  }
}

WordPieceText read_normalizer(const JsonAt& root) {
  const auto normalizer = root.find("normalizer");
  if (!normalizer) return {false, false, false, false};
  const std::string type = normalizer->at("type").text();
  if (type != "BertNormalizer") {
    fail("{}: unknown type '{}'; known is BertNormalizer", normalizer->where(), type);
  }
  WordPieceText text;
  text.clean = normalizer->flag("clean_text", true);
  text.chinese = normalizer->flag("handle_chinese_chars", true);
  text.lower_case = normalizer->flag("lowercase", true);
  text.strip_accents = normalizer->flag("strip_accents", text.lower_case);
  return text;
}

void require_unknown(const WordPieceTokenizer::Parts& parts) {
  if (parts.roles.unknown) return;
  fail(
      "the vocabulary of {} has no [UNK], and no file names another unknown token; add "
      "\"unk_token\" to its tokenizer_config.json",
      parts.vocabulary.source());
}

}  // namespace

std::shared_ptr<const WordPieceTokenizer> read_word_piece(const TokenizerSettings& given) {
  TokenizerSettings settings = given;
  WordPieceTokenizer::Parts parts{.vocabulary = Vocabulary(given.folder)};
  read_lines((std::filesystem::path(given.folder) / "vocab.txt").string(), parts.vocabulary);
  name_defaults(parts.vocabulary, settings);
  parts.roles = assign_roles(settings, parts.vocabulary, parts.added);
  require_unknown(parts);
  set_bert_marks(parts);
  parts.text.lower_case = settings.lower_case.value_or(true);
  parts.text.strip_accents = settings.strip_accents.value_or(parts.text.lower_case);
  parts.text.chinese = settings.chinese.value_or(true);
  return std::make_shared<WordPieceTokenizer>(std::move(parts));
}

std::shared_ptr<const WordPieceTokenizer> read_word_piece(const JsonAt& root,
                                                          const TokenizerSettings& given) {
  TokenizerSettings settings = given;
  WordPieceTokenizer::Parts parts{.vocabulary = Vocabulary(given.folder)};
  parts.added = read_vocabulary(root, parts.vocabulary);
  const JsonAt model = root.at("model");
  settings.name_default("unk_token", model.text("unk_token", "[UNK]"));
  name_defaults(parts.vocabulary, settings);
  parts.roles = assign_roles(settings, parts.vocabulary, parts.added);
  parts.marks = read_post_processor(root);
  parts.text = read_normalizer(root);
  parts.prefix = model.text("continuing_subword_prefix", "##");
  if (const auto longest = model.find("max_input_chars_per_word")) {
    parts.longest_word = longest->integer();
  }
  const std::string type = root.at("pre_tokenizer").at("type").text();
  if (type != "BertPreTokenizer") {
    fail("{}: unknown type '{}'; known is BertPreTokenizer", root.at("pre_tokenizer").where(),
         type);
  }
  return std::make_shared<WordPieceTokenizer>(std::move(parts));
}

}  // namespace lethe
