#include "core/text/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <utility>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/text/unicode.h"

namespace lethe {
namespace {

using Ids = std::vector<int64_t>;

constexpr std::string_view kMeta = "\xe2\x96\x81";  // U+2581, a space in pieces

std::string with_plain_spaces(std::string_view text) {
  std::string result(text);
  for (size_t at = 0; (at = result.find(kMeta, at)) != std::string::npos; ++at) {
    result.replace(at, kMeta.size(), " ");
  }
  return result;
}

void require(const sentencepiece::util::Status& status) {
  if (!status.ok()) fail("the SentencePiece library fails: {}", status.ToString());
}

std::string stripped(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  return std::string(text);
}

}  // namespace

SentencePieceModel::SentencePieceModel(const std::string& path, bool dummy_prefix)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  std::string bytes = file_bytes(path);
  // normalizer_spec (field 3) with add_dummy_prefix (field 3) false: a message's later part counts.
  if (!dummy_prefix) bytes += std::string("\x1a\x02\x18\x00", 4);
  if (!processor_->LoadFromSerializedProto(bytes).ok()) {
    fail("{} is no SentencePiece model; fetch the file again", path);
  }
}

SentencePieceModel::~SentencePieceModel() = default;

int64_t SentencePieceModel::size() const { return processor_->GetPieceSize(); }
std::string SentencePieceModel::piece(int64_t id) const {
  return processor_->IdToPiece(static_cast<int>(id));
}
bool SentencePieceModel::control(int64_t id) const {
  return processor_->IsControl(static_cast<int>(id)) || processor_->IsUnknown(static_cast<int>(id));
}
int64_t SentencePieceModel::unknown_id() const { return processor_->unk_id(); }
int64_t SentencePieceModel::begin_id() const { return processor_->bos_id(); }
int64_t SentencePieceModel::end_id() const { return processor_->eos_id(); }
int64_t SentencePieceModel::pad_id() const { return processor_->pad_id(); }

Ids SentencePieceModel::encode(std::string_view text) const {
  std::vector<int> ids;
  require(processor_->Encode(text, &ids));
  return {ids.begin(), ids.end()};
}

std::string SentencePieceModel::decode(const Ids& ids) const {
  std::string text;
  require(processor_->Decode(std::vector<int>(ids.begin(), ids.end()), &text));
  return text;
}

std::string SentencePieceModel::decode_pieces(const std::vector<std::string>& pieces) const {
  std::string text;
  require(processor_->Decode(pieces, &text));
  return text;
}

SentencePieceTokenizer::SentencePieceTokenizer(Parts parts)
    : VocabularyTokenizer(std::move(parts.vocabulary), parts.roles, std::move(parts.marks)),
      added_(std::move(parts.added)),
      model_(std::move(parts.model)),
      kind_(parts.kind),
      legacy_(parts.legacy),
      prefix_space_(parts.prefix_space),
      stands_alone_(std::move(parts.stands_alone)),
      unknown_(model_->piece(model_->unknown_id())),
      unknown_length_(model_->encode(unknown_).size()) {}

Ids SentencePieceTokenizer::encode(std::string_view text) const {
  require_utf8("a text", text);
  Ids ids;
  std::string plain;
  if (!legacy_ && !text.empty()) {
    plain = with_plain_spaces(text);
    if (kind_ == SentencePieceKind::t5 || prefix_space_) plain.insert(0, kMeta);
    text = plain;
  }
  size_t first = 0;  // ids of the text's first section
  for (const Section& section : added_.split(text)) {
    if (section.token >= 0) {
      ids.push_back(section.token);
    } else {
      encode_part(section.text, ids);
    }
    if (first == 0) first = ids.size();
  }
  // The space put before the text is left out where a special token follows it.
  const bool lone = !legacy_ && first == 1 && ids.size() > 1 && ids[0] == vocabulary_.find(kMeta) &&
                    vocabulary_.special(ids[1]);
  if (lone) ids.erase(ids.begin());
  return ids;
}

void SentencePieceTokenizer::encode_part(std::string_view text, Ids& ids) const {
  const bool spaced = text.starts_with(kMeta) || text.starts_with(' ');
  if (!legacy_ && spaced) return encode_without_prefix(text, ids);
  const Ids part = model_->encode(text);
  ids.insert(ids.end(), part.begin(), part.end());
}

// The library drops the spaces a text starts with, but not those behind another token.
void SentencePieceTokenizer::encode_without_prefix(std::string_view text, Ids& ids) const {
  const Ids part = model_->encode(unknown_ + std::string(text));
  const size_t skipped = part.size() >= unknown_length_ ? unknown_length_ : 0;
  ids.insert(ids.end(), part.begin() + static_cast<std::ptrdiff_t>(skipped), part.end());
}

std::string SentencePieceTokenizer::text(const Ids& ids, bool with_special) const {
  std::vector<std::string> parts;
  Ids run;
  const auto end_run = [&](bool last) {
    if (run.empty()) return;
    std::string part = run_text(std::exchange(run, {}));
    if (last || !part.empty()) parts.push_back(std::move(part));
  };
  for (const int64_t id : ids) {
    vocabulary_.require(id);
    if (!with_special && vocabulary_.special(id)) continue;
    if (stands_alone_[id]) {
      end_run(false);
      parts.push_back(vocabulary_.token(id));
    } else {
      run.push_back(id);
    }
  }
  end_run(true);
  return fmt::format("{}", fmt::join(parts, " "));
}

// Special tokens stand between what the library decodes.
std::string SentencePieceTokenizer::run_text(Ids ids) const {
  const bool t5 = kind_ == SentencePieceKind::t5;
  std::string result;
  std::vector<std::string> pieces;
  bool after_special = false;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::string piece = vocabulary_.token(ids[i]);
    const bool prefixed = piece.starts_with(kMeta);
    if (i == 0 && prefixed && (t5 || prefix_space_)) piece.erase(0, kMeta.size());
    if (vocabulary_.special(ids[i])) {
      if (!after_special && (t5 || (i > 0 && legacy_))) result += ' ';
      result += model_->decode_pieces(std::exchange(pieces, {}));
      result += piece;
      after_special = true;
      continue;
    }
    if (!t5 && after_special && i == 1 && prefix_space_ && !prefixed) result += ' ';
    pieces.push_back(std::move(piece));
    after_special = false;
  }
  result += model_->decode_pieces(pieces);
  return t5 ? stripped(result) : result;
}

}  // namespace lethe
