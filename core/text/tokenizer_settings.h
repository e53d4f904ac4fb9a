// What the small files beside a vocabulary say of its special tokens. Free of libtorch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/json_file.h"
#include "core/text/vocabulary.h"

namespace lethe {

/// tokenizer_config.json, special_tokens_map.json and added_tokens.json, and the ids of
/// generation_config.json, or else config.json. Any of them may be absent.
struct TokenizerSettings {
  std::string folder;
  std::vector<std::string> files;            ///< those of the five that are there
  std::string tokenizer_class;               ///< "GPT2Tokenizer", without "Fast"; else empty
  std::string model_type;                    ///< of config.json: "opt"; else empty
  std::map<std::string, AddedToken> named;   ///< by "bos_token", ...; their ids are unset
  std::vector<AddedToken> further;           ///< additional_special_tokens; ids unset
  std::vector<AddedToken> added;             ///< with ids
  std::map<std::string, int64_t> model_ids;  ///< by "bos_token_id", ...
  std::optional<bool> add_bos, add_eos, prefix_space, legacy, lower_case, strip_accents, chinese;
  std::optional<int64_t> extra_ids;

  /// Whether the class or the model's type is one of these, as in is("T5", "t5").
  bool is(const std::string& class_start, const std::string& type) const;
  /// Names a token where the files name none.
  void name_default(const std::string& key, const std::string& content);
};

/// Throws Error naming file and member for damaged JSON and for members of another type.
TokenizerSettings read_tokenizer_settings(const std::string& folder);

/// An entry of tokenizer.json's added_tokens or of tokenizer_config.json: a text or an object with
/// content, lstrip, rstrip, single_word, normalized and special.
AddedToken read_added_token(const JsonAt& entry, bool special);

/// Gives the vocabulary the settings' added tokens, marks the special ones and finds the roles.
/// `added` grows by the tokens that have to be found in texts. Throws Error for a token that the
/// files name and the vocabulary lacks.
TokenRoles assign_roles(const TokenizerSettings& settings, Vocabulary& vocabulary,
                        std::vector<AddedToken>& added);

/// Puts the begin and end marks that add_bos_token and add_eos_token ask for, or refuse, into
/// `marks`, where two texts then have those of both between them. `bos`, `eos` count where the
/// files leave them out; nullopt = as the marks have it. Throws Error for a mark that is asked for
/// and that no file names.
void set_marks(const TokenizerSettings& settings, const TokenRoles& roles, Marks& marks,
               std::optional<bool> bos = {}, std::optional<bool> eos = {});

}  // namespace lethe
