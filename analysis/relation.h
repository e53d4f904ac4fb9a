// The expressions of a baseline's relations: chains such as "multitask < ewc <= finetune".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lethe {

/// terms[i] operators[i] terms[i + 1]. A term is a method's label, a number, or a set of them:
/// "{lwf, si}". What is said of a set is said of each of its members.
struct Chain {
  std::vector<std::string> terms;
  std::vector<std::string> operators;  ///< "<", "<=", ">" or ">="; all point the same way
};

/// Throws Error naming the expression for fewer than two terms, an empty term or member, a brace
/// without its other and mixed directions.
Chain parse_chain(const std::string& expression);

/// The members of a term that is a set, else the term alone.
std::vector<std::string> members_of(const std::string& term);

/// The value of a term that is a number.
std::optional<double> constant(const std::string& term);

/// Whether `left operator right` holds by at least `margin` (more than it for the strict ones).
bool holds(double left, const std::string& op, double right, double margin);

}  // namespace lethe
