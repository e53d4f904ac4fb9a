#include "analysis/relation.h"

#include <charconv>

#include "core/error.h"

namespace lethe {
namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// A term with a brace at one end only, or with nothing between two commas, is a typing error.
void check_set(const std::string& term, const std::string& expression) {
  if ((term.front() == '{') != (term.back() == '}')) {
    fail("expression '{}' has the term '{}'; expected a set such as \"{{si, ewc}}\"", expression,
         term);
  }
  for (const std::string& member : members_of(term)) {
    if (!member.empty()) continue;
    fail("expression '{}' has an empty member in '{}'; expected a set such as \"{{si, ewc}}\"",
         expression, term);
  }
}

}  // namespace

std::vector<std::string> members_of(const std::string& term) {
  if (term.size() < 2 || term.front() != '{' || term.back() != '}') return {term};
  std::vector<std::string> members;
  const std::string inner = term.substr(1, term.size() - 2);
  size_t begin = 0;
  while (true) {
    const size_t comma = inner.find(',', begin);
    members.push_back(trimmed(inner.substr(begin, comma - begin)));
    if (comma == std::string::npos) return members;
    begin = comma + 1;
  }
}

Chain parse_chain(const std::string& expression) {
  Chain chain;
  size_t begin = 0;
  while (true) {
    const size_t at = expression.find_first_of("<>", begin);
    chain.terms.push_back(trimmed(expression.substr(begin, at - begin)));
    if (chain.terms.back().empty()) {
      fail("expression '{}' has an empty term; expected such as \"multitask < finetune\"",
           expression);
    }
    check_set(chain.terms.back(), expression);
    if (at == std::string::npos) break;
    const bool or_equal = at + 1 < expression.size() && expression[at + 1] == '=';
    chain.operators.push_back(expression.substr(at, or_equal ? 2 : 1));
    if (chain.operators.back()[0] != chain.operators.front()[0]) {
      fail("expression '{}' mixes < and >; expected a chain that goes one way", expression);
    }
    begin = at + chain.operators.back().size();
  }
  if (chain.operators.empty()) {
    fail("expression '{}' compares nothing; expected such as \"multitask < finetune\"", expression);
  }
  return chain;
}

std::optional<double> constant(const std::string& term) {
  double value = 0;
  const char* end = term.data() + term.size();
  const auto [stop, error] = std::from_chars(term.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool holds(double left, const std::string& op, double right, double margin) {
  if (op[0] == '>') return holds(right, op == ">" ? "<" : "<=", left, margin);
  return op == "<" ? left + margin < right : left + margin <= right;
}

}  // namespace lethe
