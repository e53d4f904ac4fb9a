// The value of an expression, read once from its English and once from its Python: a second
// implementation of what the grammar of the python task means.
#pragma once

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

/// x is 7, y 3, z 5, a 2, b 11, and each has the length ten times that.
inline int64_t value_of_name(char name) {
  static const std::map<char, int64_t> values = {{'x', 7}, {'y', 3}, {'z', 5}, {'a', 2}, {'b', 11}};
  return values.at(name);
}
inline int64_t floor_division(int64_t a, int64_t b) {
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

/// Recursive descent over text whose next words are compared and eaten.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }

 protected:
  bool eat(std::string_view word) {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void need(std::string_view word) {
    if (!eat(word))
      throw std::runtime_error("expected " + std::string(word) + " at " + std::string(rest_));
  }
  char name() {
    eat("");
    const char c = rest_.at(0);
    rest_.remove_prefix(1);
    return c;
  }
  int64_t atom() {
    const char c = name();
    return c >= '0' && c <= '9' ? c - '0' : value_of_name(c);
  }

 private:
  std::string_view rest_;
};

class PythonReader : public Reader {
 public:
  using Reader::Reader;
  int64_t sum() {
    int64_t value = product();
    while (true) {
      if (eat("+"))
        value += product();
      else if (eat("-"))
        value -= product();
      else
        return value;
    }
  }

 private:
  int64_t product() {
    int64_t value = unit();
    while (true) {
      if (eat("*"))
        value *= unit();
      else if (eat("//"))
        value = floor_division(value, unit());
      else
        return value;
    }
  }
  int64_t unit() {
    if (eat("(")) return closed(sum());
    if (eat("len(")) return closed(10 * atom());
    const bool larger = eat("max(");
    if (!larger && !eat("min(")) return atom();
    const int64_t first = sum();
    need(",");
    const int64_t second = closed(sum());
    return larger ? std::max(first, second) : std::min(first, second);
  }
  int64_t closed(int64_t value) {
    need(")");
    return value;
  }
};

class EnglishReader : public Reader {
 public:
  using Reader::Reader;
  int64_t phrase() {
    int64_t value = factor();
    while (true) {
      if (eat("plus"))
        value += factor();
      else if (eat("minus"))
        value -= factor();
      else
        return value;
    }
  }

 private:
  int64_t factor() {
    int64_t value = noun();
    while (true) {
      if (eat("times"))
        value *= noun();
      else if (eat("divided by"))
        value = floor_division(value, noun());
      else
        return value;
    }
  }
  int64_t noun() {
    if (eat("the length of")) return 10 * atom();
    if (!eat("the ")) return atom();
    for (const std::string_view kind : {"sum", "difference", "product", "larger", "smaller"}) {
      if (eat(kind)) return of_two(kind);
    }
    throw std::runtime_error("unknown noun");
  }
  int64_t of_two(std::string_view kind) {
    need("of");
    const int64_t first = atom();
    need("and");
    const int64_t second = kind == "sum" ? factor() : atom();
    if (kind == "sum") return first + second;
    if (kind == "difference") return first - second;
    if (kind == "product") return first * second;
    return kind == "larger" ? std::max(first, second) : std::min(first, second);
  }
};
