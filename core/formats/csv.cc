#include "core/formats/csv.h"

#include "core/error.h"

namespace lethe {
namespace {

class CsvParser {
 public:
  CsvParser(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  std::vector<CsvRow> rows() {
    std::vector<CsvRow> all;
    while (at_ < text_.size()) {
      if (line_break()) continue;  // a blank line
      all.push_back(row());
    }
    return all;
  }

 private:
  CsvRow row() {
    CsvRow read;
    read.line = line_;
    while (true) {
      read.fields.push_back(here('"') ? quoted() : plain());
      if (here(',')) {
        ++at_;
      } else if (at_ == text_.size() || line_break()) {
        return read;
      } else {
        fail(
            "{}:{}: text follows the closing quote of field {}; expected a comma or the line's "
            "end, "
            "and quotes inside a field doubled",
            path_, line_, read.fields.size());
      }
    }
  }

  std::string plain() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && break_length() == 0) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const int64_t opened = line_;
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        if (!here('"')) return field;
      }
      if (text_[at_] == '\n') ++line_;
      field += text_[at_];
    }
    fail(
        "{}:{}: the quote opened here is never closed; expected a \" before the "
        "file's end: is it cut off?",
        path_, opened);
  }

  bool here(char wanted) const { return at_ < text_.size() && text_[at_] == wanted; }

  /// 0 where no line ends here.
  size_t break_length() const {
    if (here('\n')) return 1;
    return text_.substr(at_, 2) == "\r\n" ? 2 : 0;
  }

  bool line_break() {
    const size_t length = break_length();
    at_ += length;
    if (length > 0) ++line_;
    return length > 0;
  }

  const std::string& path_;
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(const std::string& path, std::string_view text) {
  return CsvParser(path, text).rows();
}

}  // namespace lethe
