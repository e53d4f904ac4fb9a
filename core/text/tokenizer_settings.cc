#include "core/text/tokenizer_settings.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <utility>

#include "core/error.h"

namespace lethe {
namespace {

constexpr std::array kNames = {"bos_token", "eos_token", "unk_token", "pad_token",
                               "sep_token", "cls_token", "mask_token"};

std::optional<int64_t>& role(TokenRoles& roles, const std::string& name) {
  if (name == "bos_token") return roles.begin;
  if (name == "eos_token") return roles.end;
  if (name == "unk_token") return roles.unknown;
  if (name == "pad_token") return roles.pad;
  if (name == "sep_token") return roles.separator;
  return name == "cls_token" ? roles.classify : roles.mask;
}

std::optional<bool> flag_of(const JsonAt& file, const std::string& key) {
  const auto found = file.find(key);
  return found ? std::optional(found->flag()) : std::nullopt;
}

/// The special tokens that a file names and the settings do not yet.
void read_names(const JsonAt& file, TokenizerSettings& settings) {
  for (const std::string name : kNames) {
    const auto found = file.find(name);
    if (found && settings.named.count(name) == 0) {
      settings.named[name] = read_added_token(*found, true);
    }
  }
  const auto further = file.find("additional_special_tokens");
  if (!further || !settings.further.empty()) return;
  for (size_t i = 0; i < further->size(); ++i) {
    settings.further.push_back(read_added_token(further->at(i), true));
  }
}

void read_config(const JsonAt& file, TokenizerSettings& settings) {
  std::string name = file.text("tokenizer_class", "");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  settings.tokenizer_class = name;
  settings.add_bos = flag_of(file, "add_bos_token");
  settings.add_eos = flag_of(file, "add_eos_token");
  settings.prefix_space = flag_of(file, "add_prefix_space");
  settings.legacy = flag_of(file, "legacy");
  settings.lower_case = flag_of(file, "do_lower_case");
  settings.strip_accents = flag_of(file, "strip_accents");
  settings.chinese = flag_of(file, "tokenize_chinese_chars");
  if (const auto extra = file.find("extra_ids")) settings.extra_ids = extra->integer();
  read_names(file, settings);
  const auto added = file.find("added_tokens_decoder");
  if (!added) return;
  for (const auto& [id, entry] : added->object().items()) {
    AddedToken token = read_added_token(added->at(id), false);
    if (id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != std::string::npos) {
      fail("{}: expected a token's id, found '{}'", added->where(), id);
    }
    token.id = std::stoll(id);
    settings.added.push_back(std::move(token));
  }
}

void read_added_file(const JsonAt& file, TokenizerSettings& settings) {
  for (const auto& [content, id] : file.object().items()) {
    const bool known =
        std::any_of(settings.added.begin(), settings.added.end(),
                    [&content = content](const AddedToken& t) { return t.content == content; });
    if (!known) settings.added.push_back({content, file.at(content).integer()});
  }
}

/// Ids that the file has and the settings do not yet; of a list the first.
void read_model_ids(const JsonAt& file, TokenizerSettings& settings) {
  for (const std::string name : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    auto found = file.find(name);
    if (found && found->value().is_array() && found->size() > 0) found = found->at(size_t{0});
    if (found && found->value().is_number_integer()) {
      settings.model_ids.emplace(name, found->integer());
    }
  }
}

AddedToken* find_token(std::vector<AddedToken>& added, const std::string& content) {
  const auto found = std::find_if(added.begin(), added.end(),
                                  [&](const AddedToken& t) { return t.content == content; });
  return found == added.end() ? nullptr : &*found;
}

/// The id of a token that the files name, which from here on is special.
int64_t special_id(const AddedToken& named, const std::string& name, Vocabulary& vocabulary,
                   std::vector<AddedToken>& added) {
  const auto id = vocabulary.find(named.content);
  if (!id) {
    fail(
        "{} names '{}' as its {}, which is neither in the vocabulary nor among the added tokens; "
        "give it an id in added_tokens.json, or name another",
        vocabulary.source(), named.content, name);
  }
  vocabulary.mark_special(*id);
  if (AddedToken* there = find_token(added, named.content)) {
    there->special = true;
  } else {
    AddedToken token = named;
    token.id = *id;
    added.push_back(std::move(token));
  }
  return *id;
}

/// Adds or removes `id` at `place` of a mark; nothing is done where the mark is as wanted.
void set_mark(std::vector<int64_t>& mark, bool at_start, int64_t id, bool wanted) {
  const bool there = !mark.empty() && (at_start ? mark.front() : mark.back()) == id;
  const auto place = at_start ? mark.begin() : mark.end();
  if (wanted && !there) mark.insert(place, id);
  if (!wanted && there) mark.erase(at_start ? place : place - 1);
}

}  // namespace

bool TokenizerSettings::is(const std::string& class_start, const std::string& type) const {
  if (!tokenizer_class.empty()) return tokenizer_class.starts_with(class_start);
  return model_type == type;
}

void TokenizerSettings::name_default(const std::string& key, const std::string& content) {
  named.try_emplace(key, AddedToken{.content = content, .special = true});
}

AddedToken read_added_token(const JsonAt& entry, bool special) {
  if (entry.value().is_string()) return {.content = entry.text(), .special = special};
  AddedToken token;
  token.content = entry.at("content").text();
  token.special = entry.flag("special", special);
  token.left_strip = entry.flag("lstrip", false);
  token.right_strip = entry.flag("rstrip", false);
  token.single_word = entry.flag("single_word", false);
  token.normalized = entry.flag("normalized", !token.special);
  return token;
}

TokenizerSettings read_tokenizer_settings(const std::string& folder) {
  using Reader = std::function<void(const JsonAt&, TokenizerSettings&)>;
  const std::vector<std::pair<std::string, Reader>> readers = {
      {"tokenizer_config.json", read_config},
      {"special_tokens_map.json", read_names},
      {"added_tokens.json", read_added_file},
      {"generation_config.json", read_model_ids},
      {"config.json", [](const JsonAt& file, TokenizerSettings& settings) {
         settings.model_type = file.text("model_type", "");
         read_model_ids(file, settings);
       }}};
  TokenizerSettings settings;
  settings.folder = folder;
  for (const auto& [name, read] : readers) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    if (!std::filesystem::exists(path)) continue;
    settings.files.push_back(name);
    const nlohmann::json value = parse_json_file(path);
    read(JsonAt(value, path), settings);
  }
  return settings;
}

TokenRoles assign_roles(const TokenizerSettings& settings, Vocabulary& vocabulary,
                        std::vector<AddedToken>& added) {
  for (const AddedToken& token : settings.added) {
    vocabulary.add_beside(token.content, token.id);
    if (find_token(added, token.content) == nullptr) added.push_back(token);
  }
  for (const AddedToken& token : added) {
    if (token.special) vocabulary.mark_special(token.id);
  }
  TokenRoles roles;
  for (const auto& [name, token] : settings.named) {
    role(roles, name) = special_id(token, name, vocabulary, added);
  }
  for (const AddedToken& token : settings.further) {
    special_id(token, "additional_special_tokens", vocabulary, added);
  }
  for (const auto& [name, id] : settings.model_ids) {
    auto& place = role(roles, name.substr(0, name.size() - 3));
    if (place || id < 0 || id >= vocabulary.size() || !vocabulary.has(id)) continue;
    place = special_id({.content = vocabulary.token(id), .special = true}, name, vocabulary, added);
  }
  return roles;
}

void set_marks(const TokenizerSettings& settings, const TokenRoles& roles, Marks& marks,
               std::optional<bool> bos, std::optional<bool> eos) {
  const auto wants_begin = settings.add_bos ? settings.add_bos : bos;
  const auto wants_end = settings.add_eos ? settings.add_eos : eos;
  const auto need = [&](const std::optional<int64_t>& id, const char* key) {
    if (!id) {
      fail("the tokenizer of {} has to add its {}, but names none; add it to tokenizer_config.json",
           settings.folder, key);
    }
    return *id;
  };
  if (wants_begin && (*wants_begin || roles.begin)) {
    const int64_t id = need(roles.begin, "bos_token");
    set_mark(marks.before, true, id, *wants_begin);
  }
  if (wants_end && (*wants_end || roles.end)) {
    const int64_t id = need(roles.end, "eos_token");
    set_mark(marks.after, false, id, *wants_end);
  }
  if (!wants_begin && !wants_end) return;
  marks.between = marks.after;
  marks.between.insert(marks.between.end(), marks.before.begin(), marks.before.end());
}

}  // namespace lethe
