#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/split_pattern.h"

#include <pcre2.h>

#include <utility>

#include "core/error.h"

namespace lethe {

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

/// Rewrites a pattern character by character.
class Dialect {
 public:
  Dialect(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string rewritten() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        escape();
      } else if (depth_ > 0) {
        inside_class();
      } else if (pattern_[at_] == '[') {
        open_class();
      } else {
        result_ += pattern_[at_++];
      }
    }
    return std::move(result_);
  }

 private:
  // An escape, as it is but for white space.
  void escape() {
    const std::string_view pair = pattern_.substr(at_, 2);
    at_ += pair.size();
    if (pair == "\\s") {
      result_ += depth_ > 0 ? std::string(kSpace) : fmt::format("[{}]", kSpace);
    } else if (pair == "\\S" && depth_ == 0) {
      result_ += fmt::format("[^{}]", kSpace);
    } else {
      result_ += pair;
    }
  }
  // The bracket, its negation and a bracket that closes nothing because it comes first.
  void open_class() {
    depth_ = 1;
    result_ += pattern_[at_++];
    if (pattern_.substr(at_, 1) == "^") result_ += pattern_[at_++];
    if (pattern_.substr(at_, 1) == "]") {
      result_ += "\\]";
      ++at_;
    }
  }
  void inside_class() {
    const std::string_view pair = pattern_.substr(at_, 2);
    if (pair == "[:") return named_class();
    if (pair == "&&" || pair == "[^") {
      fail("{}: the pattern '{}' has '{}' inside a class at byte {}, which can't be read", where_,
           pattern_, pair, at_);
    }
    const char c = pattern_[at_++];
    if (c == '[') {
      ++depth_;
    } else if (c == ']' && --depth_ > 0) {
      // the end of a class inside the class
    } else {
      result_ += c;
    }
  }
  // "[:alpha:]", copied whole.
  void named_class() {
    const size_t end = pattern_.find(":]", at_ + 2);
    const size_t bytes = end == std::string_view::npos ? pattern_.size() - at_ : end + 2 - at_;
    result_ += pattern_.substr(at_, bytes);
    at_ += bytes;
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string result_;
  size_t at_ = 0;
  int depth_ = 0;
};

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

struct SplitPattern::Code {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> compiled{nullptr, &pcre2_code_free};
};

SplitPattern::SplitPattern(std::string_view pattern, std::string where)
    : code_(std::make_unique<Code>()), where_(std::move(where)) {
  const std::string text = pcre2_dialect(pattern, where_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                                      &offset, nullptr));
  if (!code_->compiled) {
    fail("{}: the pattern '{}' can't be read at byte {}: {}", where_, text, offset,
         message_of(error));
  }
  pcre2_jit_compile(code_->compiled.get(), PCRE2_JIT_COMPLETE);  // else it is interpreted
}

SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern& SplitPattern::operator=(SplitPattern&&) noexcept = default;

void SplitPattern::split(std::string_view text, Matches matches,
                         std::vector<std::string_view>& pieces) const {
  const MatchData data(pcre2_match_data_create_from_pattern(code_->compiled.get(), nullptr),
                       &pcre2_match_data_free);
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
  const auto add = [&](size_t from, size_t to) {
    if (to > from) pieces.push_back(text.substr(from, to - from));
  };
  size_t done = 0;
  while (done < text.size()) {
    const int count =
        pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                    done, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data.get(), nullptr);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) fail("{}: the pattern fails on a text: {}", where_, message_of(count));
    if (range[0] < done || range[1] <= done) fail("{}: the pattern matches backwards", where_);
    if (matches != Matches::alone) add(done, range[0]);
    if (matches != Matches::removed) add(range[0], range[1]);
    done = range[1];
  }
  if (matches != Matches::alone) add(done, text.size());
}

std::string pcre2_dialect(std::string_view pattern, const std::string& where) {
  return Dialect(pattern, where).rewritten();
}

std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain) {
      pattern += c;
    } else {
      pattern += fmt::format("\\x{{{:x}}}", byte);
    }
  }
  return pattern;
}

}  // namespace lethe
