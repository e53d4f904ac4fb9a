// What a relation between methods comes to in one comparison.
#include <algorithm>

#include "analysis/baseline.h"
#include "analysis/relation.h"

namespace lethe {
namespace {

// A method's values, or a number's.
struct Side {
  std::string term;
  std::optional<double> number, mean;
  std::map<int64_t, double> by_seed;
};

Side side_of(const std::string& term, const std::string& metric, const Comparison& comparison) {
  Side side;
  side.term = term;
  side.number = side.mean = constant(term);
  if (side.number) return side;
  if (const MetricCell* cell = cell_of(comparison, term, metric)) {
    side.mean = cell->over_seeds.mean;
    side.by_seed = cell->by_seed;
  }
  return side;
}

// The number at every seed of the other side, so that a difference to it can be taken by seed.
std::map<int64_t, double> values_beside(const Side& side, const Side& other) {
  if (!side.number) return side.by_seed;
  std::map<int64_t, double> values;
  for (const auto& [seed, value] : other.by_seed) values[seed] = *side.number;
  return values;
}

RelationLink link_of(const Side& left, const std::string& op, const Side& right, double margin) {
  RelationLink link{left.term, op, right.term, left.mean, right.mean, {}, false};
  link.difference = paired_difference(values_beside(left, right), values_beside(right, left));
  link.holds = left.mean && right.mean && holds(*left.mean, op, *right.mean, margin);
  return link;
}

}  // namespace

bool RelationResult::holds() const {
  return std::all_of(links.begin(), links.end(), [](const auto& link) { return link.holds; });
}

RelationResult result_of(const Relation& relation, const Comparison& comparison) {
  const MetricDoc doc = doc_of(comparison, relation.metric);
  RelationResult result{
      relation.expression, relation.metric, doc.title, doc.unit, relation.margin, {}};
  const Chain chain = parse_chain(relation.expression);
  for (size_t i = 0; i < chain.operators.size(); ++i) {
    for (const std::string& left : members_of(chain.terms[i])) {
      for (const std::string& right : members_of(chain.terms[i + 1])) {
        result.links.push_back(
            link_of(side_of(left, relation.metric, comparison), chain.operators[i],
                    side_of(right, relation.metric, comparison), relation.margin));
      }
    }
  }
  return result;
}

}  // namespace lethe
