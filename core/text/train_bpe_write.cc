#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text/byte_letters.h"
#include "core/text/train_bpe.h"

namespace lethe {
namespace {

using Json = nlohmann::ordered_json;

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) fail("cannot write {}: {}", path.string(), std::strerror(errno));
}

Json vocabulary(const TrainedBpe& trained) {
  Json vocab = Json::object();
  for (size_t id = 0; id < trained.tokens.size(); ++id) {
    const bool special = id < trained.special.size();
    vocab[special ? trained.tokens[id] : letters_of(trained.tokens[id])] = id;
  }
  return vocab;
}

std::string merge_text(const std::pair<std::string, std::string>& merge) {
  return letters_of(merge.first) + " " + letters_of(merge.second);
}

Json byte_level() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", true}};
}

Json tokenizer_json(const TrainedBpe& trained) {
  Json added = Json::array();
  for (size_t id = 0; id < trained.special.size(); ++id) {
    added.push_back({{"id", id},
                     {"content", trained.special[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  Json merges = Json::array();
  for (const auto& merge : trained.merges) merges.push_back(merge_text(merge));
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level()},
          {"post_processor", nullptr},
          {"decoder", byte_level()},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary(trained)},
            {"merges", merges}}}};
}

}  // namespace

void write_tokenizer(const TrainedBpe& trained, const std::string& folder) {
  const std::filesystem::path root = folder;
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) fail("cannot make the folder {}: {}", folder, error.message());
  std::string merges = "#version: 0.2\n";
  for (const auto& merge : trained.merges) merges += merge_text(merge) + "\n";
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  if (!trained.special.empty()) {
    config["bos_token"] = config["eos_token"] = trained.special[0];
  }
  write(root / "vocab.json", vocabulary(trained).dump(1) + "\n");
  write(root / "merges.txt", merges);
  write(root / "tokenizer.json", tokenizer_json(trained).dump(1) + "\n");
  write(root / "tokenizer_config.json", config.dump(1) + "\n");
}

}  // namespace lethe
