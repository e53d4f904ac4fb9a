#include "core/text/byte_bpe_files.h"

#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/formats/file_bytes.h"
#include "core/text/tokenizer_json.h"

namespace lethe {
namespace {

/// Adds merges in the order of the file.
class MergeReader {
 public:
  MergeReader(const Vocabulary& vocabulary, std::string path)
      : vocabulary_(vocabulary), path_(std::move(path)) {}

  void add(const std::string& left, const std::string& right) {
    const int32_t joined = id_of(left + right, left, right);
    rules_.add(id_of(left, left, right), id_of(right, left, right), rank_++, joined);
  }
  /// "left right".
  void add(const std::string& line) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string::npos) {
      fail("{}: merge {} is '{}'; expected two pieces and a space between", path_, rank_ + 1, line);
    }
    add(line.substr(0, space), line.substr(space + 1));
  }
  MergeRules take() { return std::move(rules_); }

 private:
  int32_t id_of(const std::string& piece, const std::string& left, const std::string& right) {
    if (const auto id = vocabulary_.find(piece)) return static_cast<int32_t>(*id);
    fail("{}: merge {} joins '{}' and '{}', but the vocabulary has no '{}'", path_, rank_ + 1, left,
         right, piece);
  }

  const Vocabulary& vocabulary_;
  std::string path_;
  MergeRules rules_;
  int32_t rank_ = 0;
};

MergeRules read_merges(const JsonAt& merges, const Vocabulary& vocabulary) {
  MergeReader reader(vocabulary, merges.where());
  const size_t count = merges.size();
  for (size_t i = 0; i < count; ++i) {
    const nlohmann::json& merge = merges.value()[i];
    if (merge.is_string()) {
      reader.add(merge.get_ref<const std::string&>());
      continue;
    }
    const JsonAt pair = merges.at(i);
    if (!merge.is_array() || merge.size() != 2) pair.fail_expecting("two pieces");
    reader.add(pair.at(size_t{0}).text(), pair.at(size_t{1}).text());
  }
  return reader.take();
}

/// merges.txt: a first line "#version" or none, then a merge a line.
MergeRules read_merges_file(const std::string& path, const Vocabulary& vocabulary) {
  MergeReader reader(vocabulary, path);
  const std::string text = file_bytes(path);
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const bool comment = at == 0 && line.starts_with("#version");
    if (!line.empty() && !comment) reader.add(line);
    at = end + 1;
  }
  return reader.take();
}

/// An option that is there and has another value than the absent one has no meaning here.
void refuse_options(const JsonAt& model) {
  for (const std::string key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text(key, "").empty()) model.at(key).fail_expecting("no such option with ByteLevel");
  }
  if (const auto dropout = model.find("dropout")) {
    if (!dropout->value().is_number() || dropout->value().get<double>() != 0) {
      dropout->fail_expecting("null: merges are never left out");
    }
  }
}

std::vector<NormalizerStep> read_normalizer(const JsonAt& root) {
  std::vector<NormalizerStep> steps;
  for (const JsonAt& step : steps_of(root.find("normalizer"), "normalizers")) {
    const std::string type = step.at("type").text();
    if (type == "NFC") {
      steps.emplace_back(NormalForm::nfc);
    } else if (type == "NFD") {
      steps.emplace_back(NormalForm::nfd);
    } else if (type == "NFKC") {
      steps.emplace_back(NormalForm::nfkc);
    } else if (type == "NFKD") {
      steps.emplace_back(NormalForm::nfkd);
    } else if (type == "Lowercase") {
      steps.emplace_back(std::nullopt);
    } else {
      fail("{}: unknown type '{}'; known are Lowercase, NFC, NFD, NFKC, NFKD and Sequence",
           step.where(), type);
    }
  }
  return steps;
}

CutStep read_split(const JsonAt& step) {
  CutStep cut;
  const JsonAt pattern = step.at("pattern");
  const auto regex = pattern.find("Regex");
  cut.pattern.emplace(regex ? regex->text() : literal_pattern(pattern.at("String").text()),
                      pattern.where());
  const std::string behavior = step.at("behavior").text();
  const bool invert = step.flag("invert", false);
  if (behavior == "Removed") {
    cut.matches = invert ? Matches::alone : Matches::removed;
  } else if (behavior != "Isolated") {
    fail("{}: unknown behavior '{}'; known are Isolated and Removed", step.where(), behavior);
  }
  return cut;
}

std::vector<CutStep> read_cuts(const JsonAt& root, const std::optional<bool>& prefix_space) {
  std::vector<CutStep> cuts;
  for (const JsonAt& step : steps_of(root.find("pre_tokenizer"), "pretokenizers")) {
    const std::string type = step.at("type").text();
    if (type == "Split") {
      cuts.push_back(read_split(step));
    } else if (type == "Digits") {
      const bool one = step.flag("individual_digits", false);
      cuts.emplace_back().pattern.emplace(one ? "\\p{N}" : "\\p{N}+", step.where());
    } else if (type == "ByteLevel") {
      CutStep& cut = cuts.emplace_back();
      cut.prefix_space = prefix_space.value_or(step.flag("add_prefix_space", true));
      if (step.flag("use_regex", true)) cut.pattern.emplace(kGpt2Pattern, step.where());
    } else {
      fail("{}: unknown type '{}'; known are ByteLevel, Digits, Sequence and Split", step.where(),
           type);
    }
  }
  return cuts;
}

}  // namespace

std::shared_ptr<const ByteBpeTokenizer> read_byte_bpe(const JsonAt& root,
                                                      const TokenizerSettings& settings) {
  const JsonAt model = root.at("model");
  refuse_options(model);
  ByteBpeParts parts{.vocabulary = Vocabulary(settings.folder)};
  parts.added = read_vocabulary(root, parts.vocabulary);
  parts.merges = read_merges(model.at("merges"), parts.vocabulary);
  parts.roles = assign_roles(settings, parts.vocabulary, parts.added);
  if (const auto unknown = model.find("unk_token")) {
    parts.roles.unknown = parts.vocabulary.find(unknown->text());
    if (!parts.roles.unknown) {
      fail("{}: the vocabulary has no '{}'", unknown->where(), unknown->text());
    }
  }
  parts.marks = read_post_processor(root);
  set_marks(settings, parts.roles, parts.marks);
  parts.normalizer = read_normalizer(root);
  parts.cuts = read_cuts(root, settings.prefix_space);
  parts.ignore_merges = model.flag("ignore_merges", false);
  if (const auto decoder = root.find("decoder")) {
    const std::string type = decoder->at("type").text();
    if (type != "ByteLevel")
      fail("{}: unknown type '{}'; known is ByteLevel", decoder->where(), type);
  }
  return std::make_shared<ByteBpeTokenizer>(std::move(parts));
}

std::shared_ptr<const ByteBpeTokenizer> read_byte_bpe_pair(const TokenizerSettings& settings) {
  const std::filesystem::path folder = settings.folder;
  const std::string vocab_path = (folder / "vocab.json").string();
  const nlohmann::json vocab = parse_json_file(vocab_path);
  ByteBpeParts parts{.vocabulary = Vocabulary(settings.folder)};
  const JsonAt place(vocab, vocab_path);
  for (const auto& [token, id] : place.object().items()) {
    parts.vocabulary.add(token, place.at(token).integer());
  }
  parts.merges = read_merges_file((folder / "merges.txt").string(), parts.vocabulary);
  TokenizerSettings named = settings;
  if (parts.vocabulary.find("<|endoftext|>")) {
    for (const char* key : {"bos_token", "eos_token", "unk_token"}) {
      named.name_default(key, "<|endoftext|>");
    }
  }
  parts.roles = assign_roles(named, parts.vocabulary, parts.added);
  set_marks(named, parts.roles, parts.marks,
            settings.model_type == "opt" ? std::optional(true) : std::nullopt);
  parts.cuts.emplace_back().pattern.emplace(kGpt2Pattern, "GPT-2's pattern");
  parts.prefix_text = settings.prefix_space.value_or(false);
  return std::make_shared<ByteBpeTokenizer>(std::move(parts));
}

}  // namespace lethe
