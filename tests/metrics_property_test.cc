// Metrics of random R matrices against a second implementation, written from docs/metrics.md alone.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "analysis/metric_table.h"
#include "analysis/metrics.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

struct Undefined : std::exception {};

// The plain formulas: R[i][j] with j = the stage at which its task was learned, sign = -1 for loss.
// A missing cell and a mean of nothing throw.
struct Naive {
  std::vector<std::vector<Cell>> cells;  // by stage + 1 (the first row: random weights), by j
  std::vector<int> js;                   // the stages at which the columns were learned
  int last = 0;
  double sign = 1;

  double r(int i, int j) const {
    const Cell cell = cells.at(static_cast<size_t>(i + 1)).at(static_cast<size_t>(j));
    if (!cell) throw Undefined();
    return *cell;
  }
  static double mean(const std::vector<double>& terms) {
    if (terms.empty()) throw Undefined();
    double sum = 0;
    for (const double term : terms) sum += term;
    return sum / static_cast<double>(terms.size());
  }
  template <class Term>
  double mean_of(int from, int below, Term&& term) const {  // over columns j with from <= j < below
    std::vector<double> terms;
    for (const int j : js) {
      if (j >= from && j < below) terms.push_back(term(j));
    }
    return mean(terms);
  }
  template <class Term>
  double mean_of_pairs(Term&& wanted) const {  // over stages 1..T and columns
    std::vector<double> terms;
    for (int i = 1; i <= last; ++i) {
      for (const int j : js) {
        if (const auto term = wanted(i, j)) terms.push_back((*term)());
      }
    }
    return mean(terms);
  }
  double average(int k) const {
    return mean_of(1, k + 1, [&](int j) { return r(k, j); });
  }
  double incremental() const {
    std::vector<double> terms;
    for (int k = js.empty() ? 1 : js.front(); k <= last; ++k) terms.push_back(average(k));
    return mean(terms);
  }
  double learned() const {
    return mean_of(1, last + 1, [&](int j) { return r(j, j); });
  }
  double backward() const {
    return mean_of(1, last, [&](int j) { return sign * (r(last, j) - r(j, j)); });
  }
  double best(int j, int from, int to) const {
    double value = sign * r(from, j);
    for (int l = from; l <= to; ++l) value = std::fmax(value, sign * r(l, j));
    return value;
  }
  double forgetting(ForgettingFrom from) const { return forgetting(last, from); }
  double forgetting(int k, ForgettingFrom from) const {
    return mean_of(1, k, [&](int j) {
      const int l = from == ForgettingFrom::before_training ? 0
                    : from == ForgettingFrom::first_task    ? 1
                                                            : j;
      return best(j, l, k - 1) - sign * r(k, j);
    });
  }
  double intransigence(const std::vector<Cell>& reference) const {
    return mean_of(1, last + 1,
                   [&](int j) { return sign * (*reference.at(static_cast<size_t>(j)) - r(j, j)); });
  }
  double forward(int row) const {
    return mean_of(2, last + 1, [&](int j) { return sign * (r(j - 1, j) - r(row, j)); });
  }
  double retention() const {
    return mean_of(1, last, [&](int j) {
      const double now = r(last, j), then = r(j, j);
      if ((sign > 0 ? then : now) == 0) throw Undefined();
      return sign > 0 ? now / then : then / now;
    });
  }
  double worst() const {
    return mean_of(1, last, [&](int j) {
      double value = sign * r(j + 1, j);
      for (int l = j + 1; l <= last; ++l) value = std::fmin(value, sign * r(l, j));
      return sign * value;
    });
  }
  double worst_case() const {
    if (js.empty() || js.back() != last) throw Undefined();
    const auto k = static_cast<double>(js.size());
    const double own = r(last, last);
    return k == 1 ? own : own / k + (1 - 1 / k) * worst();
  }
  using Term = std::optional<std::function<double()>>;
  double diaz_accuracy() const {
    return mean_of_pairs(
        [&](int i, int j) { return i >= j ? Term([=, this] { return r(i, j); }) : Term(); });
  }
  double diaz_backward() const {
    return mean_of_pairs([&](int i, int j) {
      return i > j ? Term([=, this] { return sign * (r(i, j) - r(j, j)); }) : Term();
    });
  }
  double diaz_forward() const {
    return mean_of_pairs(
        [&](int i, int j) { return i < j ? Term([=, this] { return r(i, j); }) : Term(); });
  }
};

struct Drawn {
  RMatrix r;
  Naive naive;
};

// Scores are eighths, some of them 0; `holes` cells of 40 are missing. Some tasks have no column
// where `some` says so: they are measured in another metric.
Drawn drawn(int holes, bool some) {
  Drawn out;
  const int tasks = *rc::gen::inRange(1, 6);
  const bool higher = *rc::gen::arbitrary<bool>();
  out.r.metric = {higher ? "accuracy" : "loss", higher ? "fraction" : "nats", higher};
  out.naive.sign = higher ? 1 : -1;
  out.naive.last = tasks;
  for (int j = 1; j <= tasks; ++j) {
    if (some && *rc::gen::arbitrary<bool>()) continue;
    out.naive.js.push_back(j);
    out.r.learned.push_back(j);
    out.r.tasks.push_back("task " + std::to_string(j));
  }
  for (int i = -1; i <= tasks; ++i) {
    std::vector<Cell> naive_row(static_cast<size_t>(tasks) + 1);
    Cells row;
    for (const int j : out.naive.js) {
      const Cell cell = *rc::gen::inRange(0, 40) < holes ? Cell() : *rc::gen::inRange(0, 9) / 8.0;
      row.push_back(naive_row[static_cast<size_t>(j)] = cell);
    }
    out.naive.cells.push_back(naive_row);
    if (i < 0) {
      out.r.random = row;
    } else {
      out.r.rows.push_back(row);
    }
  }
  return out;
}

Cell of(const std::function<double()>& formula) {
  try {
    return formula();
  } catch (const Undefined&) {
    return std::nullopt;
  }
}

void require_same(const char* name, Cell found, const std::function<double()>& formula) {
  const Cell expected = of(formula);
  RC_LOG() << name << ": found " << (found ? std::to_string(*found) : "nothing") << ", expected "
           << (expected ? std::to_string(*expected) : "nothing") << "\n";
  RC_ASSERT(found.has_value() == expected.has_value());
  if (found) RC_ASSERT(std::abs(*found - *expected) < 1e-12);
}

TrialResult result_of(const RMatrix& r) {
  TrialResult result;
  for (int64_t j = 1; j <= r.stages(); ++j) {
    result.task_names.push_back("task " + std::to_string(j));
  }
  for (int64_t stage = -1; stage <= r.stages(); ++stage) {
    for (int64_t column = 0; column < r.columns(); ++column) {
      const auto at = static_cast<size_t>(column);
      Evaluation cell = scored(stage, r.learned[at], r.at(stage, column).value_or(0), r.metric);
      if (!r.at(stage, column)) cell.total = 0;
      result.evaluations.push_back(cell);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("every metric of a random R equals its plain formula, or both are undefined",
          "[metrics]") {
  CHECK(rc::check([] {
    const auto [r, naive] = drawn(*rc::gen::inRange(0, 3), *rc::gen::arbitrary<bool>());
    const Naive& n = naive;
    using From = ForgettingFrom;
    require_same("final", final_average(r), [&] { return n.average(n.last); });
    require_same("incremental", average_incremental(r), [&] { return n.incremental(); });
    require_same("learned", learning_accuracy(r), [&] { return n.learned(); });
    require_same("backward", backward_transfer(r), [&] { return n.backward(); });
    const int k = *rc::gen::inRange(1, n.last + 1);
    require_same("A_k", average_after(r, k), [&] { return n.average(k); });
    for (const From from : {From::own_task, From::first_task, From::before_training}) {
      require_same("forgetting", forgetting(r, from), [&] { return n.forgetting(from); });
      require_same("F_k", forgetting_after(r, k, from), [&] { return n.forgetting(k, from); });
    }
    Cells joint, by_task(static_cast<size_t>(n.last) + 1);
    for (const int j : n.js) {
      joint.push_back(by_task[static_cast<size_t>(j)] = *rc::gen::inRange(0, 9) / 8.0);
    }
    require_same("I_T", intransigence(r, joint), [&] { return n.intransigence(by_task); });
    require_same("random", fwt_random(r), [&] { return n.forward(-1); });
    require_same("zero-shot", fwt_zero_shot(r), [&] { return n.forward(0); });
    require_same("retention", retention(r), [&] { return n.retention(); });
    require_same("min-ACC", worst_after_learning(r, n.last), [&] { return n.worst(); });
    require_same("WC-ACC", worst_case_accuracy(r, n.last), [&] { return n.worst_case(); });
    require_same("A", diaz_accuracy(r), [&] { return n.diaz_accuracy(); });
    require_same("BWT", diaz_backward_transfer(r), [&] { return n.diaz_backward(); });
    require_same("FWT", diaz_forward_transfer(r), [&] { return n.diaz_forward(); });
    require_same("REM", diaz_remembering(r),
                 [&] { return 1 - std::abs(std::fmin(n.diaz_backward(), 0)); });
    require_same("BWT+", diaz_positive_backward_transfer(r),
                 [&] { return std::fmax(n.diaz_backward(), 0); });
  }));
}

TEST_CASE("the columns of a report are the metrics that their keys say", "[metrics]") {
  CHECK(rc::check([] {
    const auto [r, naive] = drawn(*rc::gen::inRange(0, 2), false);
    const Naive& n = naive;
    const bool nats = r.metric.unit == "nats";
    const auto numbers = numbers_of(result_of(r), {{r.metric}, {}});
    const auto found = [&](const char* key) {
      const auto at = numbers.find(key);
      return at == numbers.end() ? Cell() : Cell(at->second);
    };
    using From = ForgettingFrom;
    const std::vector<std::pair<const char*, std::function<double()>>> columns = {
        {"final_average", [&] { return n.average(n.last); }},
        {"final_perplexity",
         [&] { return nats ? std::exp(n.average(n.last)) : throw Undefined(); }},
        {"average_incremental", [&] { return n.incremental(); }},
        {"learning_accuracy", [&] { return n.learned(); }},
        {"forgetting", [&] { return n.forgetting(From::own_task); }},
        {"forgetting_first", [&] { return n.forgetting(From::first_task); }},
        {"forgetting_before_training", [&] { return n.forgetting(From::before_training); }},
        {"backward_transfer", [&] { return n.backward(); }},
        {"forward_transfer_zero_shot", [&] { return n.forward(0); }},
        {"forward_transfer_random", [&] { return n.forward(-1); }},
        {"retention", [&] { return n.retention(); }},
        {"stability_gap", []() -> double { throw Undefined(); }}};  // nothing within tasks
    RC_ASSERT(columns.size() == score_metrics().size());
    for (size_t i = 0; i < columns.size(); ++i) {
      RC_ASSERT(score_metrics()[i].doc.key == columns[i].first);
      require_same(columns[i].first, found(columns[i].first), columns[i].second);
    }
  }));
}

TEST_CASE("an earlier start of the maximum never lessens forgetting, which is at least -BWT",
          "[metrics]") {
  CHECK(rc::check([] {
    const RMatrix r = drawn(0, true).r;
    const auto own = forgetting(r, ForgettingFrom::own_task);
    const auto first = forgetting(r, ForgettingFrom::first_task);
    const auto before = forgetting(r, ForgettingFrom::before_training);
    if (!own) return;
    RC_ASSERT(*before >= *first - 1e-12);
    RC_ASSERT(*first >= *own - 1e-12);
    RC_ASSERT(*own >= -*backward_transfer(r) - 1e-12);
  }));
}

TEST_CASE("as a loss (1 - score) every difference of R keeps its value", "[metrics]") {
  CHECK(rc::check([] {
    const RMatrix r = drawn(0, true).r;
    RMatrix turned = r;
    turned.metric.higher_is_better = !r.metric.higher_is_better;
    for (Cells& row : turned.rows) {
      for (Cell& cell : row) cell = 1 - *cell;
    }
    for (Cell& cell : turned.random) cell = 1 - *cell;
    using Of = std::optional<double> (*)(const RMatrix&);
    for (const Of of :
         {Of(backward_transfer), Of(fwt_random), Of(fwt_zero_shot), Of(diaz_backward_transfer)}) {
      RC_ASSERT(of(r).has_value() == of(turned).has_value());
      if (of(r)) RC_ASSERT(std::abs(*of(r) - *of(turned)) < 1e-12);
    }
    const auto lost = forgetting(r, ForgettingFrom::own_task);
    if (lost) RC_ASSERT(std::abs(*lost - *forgetting(turned, ForgettingFrom::own_task)) < 1e-12);
  }));
}

}  // namespace lethe
