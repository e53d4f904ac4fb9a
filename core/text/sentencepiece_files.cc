#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/text/sentencepiece.h"

namespace lethe {
namespace {

bool lists(const TokenizerSettings& settings, const std::string& content) {
  return std::any_of(settings.added.begin(), settings.added.end(),
                     [&](const AddedToken& token) { return token.content == content; });
}

void add_extra_ids(const TokenizerSettings& settings, SentencePieceTokenizer::Parts& parts) {
  constexpr int64_t kMost = 100'000;
  const int64_t count = settings.extra_ids.value_or(100);
  if (count < 0 || count > kMost) {
    fail("extra_ids of {} is {}; expected 0 to {}", settings.folder, count, kMost);
  }
  const int64_t pieces = parts.vocabulary.size();
  for (int64_t i = count - 1; i >= 0; --i) {
    AddedToken token{.content = fmt::format("<extra_id_{}>", i), .id = pieces + count - 1 - i};
    if (parts.vocabulary.find(token.content)) continue;
    token.special = token.left_strip = token.right_strip = true;
    parts.vocabulary.add(token.content, token.id);
    // What the files say of it counts, and is added with them.
    if (!lists(settings, token.content)) parts.added.push_back(std::move(token));
  }
}

/// The tokens that the class names where no file does.
void name_defaults(SentencePieceTokenizer::Parts& parts, TokenizerSettings& settings) {
  const SentencePieceModel& model = *parts.model;
  const auto name = [&](const char* key, int64_t id) {
    if (id >= 0) settings.name_default(key, model.piece(id));
  };
  name("unk_token", model.unknown_id());
  name("eos_token", model.end_id());
  if (parts.kind == SentencePieceKind::llama) name("bos_token", model.begin_id());
  if (parts.kind == SentencePieceKind::llama) return;
  settings.name_default("pad_token", "<pad>");
  const std::string pad = settings.named.at("pad_token").content;
  if (parts.vocabulary.find(pad) || lists(settings, pad)) return;
  parts.vocabulary.add(pad, parts.vocabulary.size());
}

}  // namespace

std::shared_ptr<const SentencePieceTokenizer> read_sentencepiece(const TokenizerSettings& given,
                                                                 const std::string& file) {
  TokenizerSettings settings = given;
  const bool known = !given.tokenizer_class.empty() || !given.model_type.empty();
  const bool t5 =
      given.is("T5", "t5") || given.is("MT5", "mt5") || (!known && file == "spiece.model");
  SentencePieceTokenizer::Parts parts{.vocabulary = Vocabulary(given.folder)};
  parts.kind = t5 ? SentencePieceKind::t5 : SentencePieceKind::llama;
  parts.legacy = given.legacy.value_or(true);
  parts.prefix_space = given.prefix_space.value_or(true);
  parts.model = std::make_unique<SentencePieceModel>(
      (std::filesystem::path(given.folder) / file).string(), parts.legacy);
  const int64_t pieces = parts.model->size();
  for (int64_t id = 0; id < pieces; ++id) parts.vocabulary.add(parts.model->piece(id), id);
  if (t5) add_extra_ids(settings, parts);
  name_defaults(parts, settings);
  parts.roles = assign_roles(settings, parts.vocabulary, parts.added);
  if (t5) {
    if (!parts.roles.end) {
      fail("{} has no end piece and no file names one; T5 ends its texts with it", file);
    }
    parts.marks.after = {*parts.roles.end};
    parts.marks.between = parts.marks.after;
    parts.marks.after_once = true;
  } else {
    set_marks(settings, parts.roles, parts.marks, true, false);
  }
  parts.stands_alone.resize(parts.vocabulary.size());
  for (const AddedToken& token : parts.added) {
    const bool role = std::any_of(settings.named.begin(), settings.named.end(),
                                  [&](const auto& n) { return n.second.content == token.content; });
    parts.stands_alone[token.id] = !role && (token.id >= pieces || !token.special);
  }
  return std::make_shared<SentencePieceTokenizer>(std::move(parts));
}

}  // namespace lethe
