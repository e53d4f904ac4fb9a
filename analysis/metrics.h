// Metrics of continual learning over R. R[i][j] = score on task j after learning task i, both from
// 1; row 0 = before any training. T = number of tasks.
//
// Every function gives nullopt, never 0, where the metric is undefined (T = 1 has no forgetting) or
// a cell that it needs is missing. Differences are in units of R and are not clamped. Where a lower
// score is better (loss), differences change sign: positive forgetting is always "got worse",
// positive transfer always "got better". In an R whose columns are some of the stream's tasks, sums
// run over these columns and "task j is learned at j" reads "at its own stage".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/rmatrix.h"

namespace lethe {

/// Where the maximum over past scores of task j starts: at row 1 (Chaudhry et al.), at row j, when
/// task j was learned, or at row 0, for a pretrained model that could do task j before any
/// training.
enum class ForgettingFrom { first_task, own_task, before_training };

/// A_k = mean over j <= k of R[k][j] (Lopez-Paz & Ranzato 2017, arXiv:1706.08840, "ACC" at k = T).
std::optional<double> average_after(const RMatrix& r, int64_t k);

/// A_T: the mean score over all tasks after the last one.
std::optional<double> final_average(const RMatrix& r);

/// Average incremental accuracy: mean over k = 1..T of A_k (Rebuffi et al. 2017, arXiv:1611.07725).
std::optional<double> average_incremental(const RMatrix& r);

/// LA: mean over j of R[j][j] (Riemer et al. 2019, arXiv:1810.11910).
std::optional<double> learning_accuracy(const RMatrix& r);

/// BWT: mean over j < T of R[T][j] - R[j][j], divided by T - 1 (Lopez-Paz & Ranzato 2017,
/// arXiv:1706.08840). Undefined for T = 1.
std::optional<double> backward_transfer(const RMatrix& r);

/// F_k: mean over j < k of (max over l < k of R[l][j]) - R[k][j], l from `from` (Chaudhry et al.
/// 2018, arXiv:1801.10112, eq. 3, has l from 1). Negative: backward transfer. Undefined for k = 1.
std::optional<double> forgetting_after(const RMatrix& r, int64_t k, ForgettingFrom from);

/// F_T.
std::optional<double> forgetting(const RMatrix& r, ForgettingFrom from);

/// FWT: mean over j >= 2 of R[j-1][j] - b_j, where b is the random-initialisation row (Lopez-Paz &
/// Ranzato 2017, arXiv:1706.08840). Undefined for T = 1.
std::optional<double> fwt_random(const RMatrix& r);

/// The same against row 0, what the (pretrained) model could do before any training: another
/// metric.
std::optional<double> fwt_zero_shot(const RMatrix& r);

/// Mean over j < T of R[T][j] / R[j][j] (the inverse ratio where lower is better): below 1 = lost.
/// Undefined for T = 1 and where a denominator is 0.
std::optional<double> retention(const RMatrix& r);

/// min-ACC_k: mean over j < k of the worst R[l][j], j < l <= k (De Lange et al. 2023,
/// arXiv:2205.13452, on task-end rows). "Worst" is the largest where lower is better. Undefined for
/// k = 1.
std::optional<double> worst_after_learning(const RMatrix& r, int64_t k);

/// WC-ACC_k = R[k][k] / k + (1 - 1/k) min-ACC_k (same source). WC-ACC_1 = R[1][1].
std::optional<double> worst_case_accuracy(const RMatrix& r, int64_t k);

/// Mean over k of a*_k - R[k][k], where `reference` (T) holds the joint model's scores a* (Chaudhry
/// et al. 2018, arXiv:1801.10112, eq. 5). Positive: the method learns less than the reference.
std::optional<double> intransigence(const RMatrix& r, const Cells& reference);

/// The metrics of Diaz-Rodriguez et al. 2018 (arXiv:1810.13166), which use all of R.
/// A: mean of R[i][j], j <= i.
std::optional<double> diaz_accuracy(const RMatrix& r);
/// BWT: mean over i >= 2, j < i of R[i][j] - R[j][j].
std::optional<double> diaz_backward_transfer(const RMatrix& r);
/// REM = 1 - |min(BWT, 0)|, for scores in [0, 1].
std::optional<double> diaz_remembering(const RMatrix& r);
/// BWT+ = max(BWT, 0).
std::optional<double> diaz_positive_backward_transfer(const RMatrix& r);
/// FWT: mean of R[i][j], 1 <= i < j; no baseline is subtracted.
std::optional<double> diaz_forward_transfer(const RMatrix& r);

/// Depth of the dips inside later tasks: mean over k >= 2, j < k of how far the worst measurement
/// of task j within task k lies below both R[k-1][j] and R[k][j], 0 where it does not (after De
/// Lange et al. 2023, arXiv:2205.13452). Needs `eval_every`: nullopt where a task k has no
/// measurement inside it, and where one is no number.
std::optional<double> stability_gap(const TrialResult& result, const std::string& metric);

/// exp of final_average() where R is in nats: the geometric mean over tasks of their perplexities.
/// Undefined in other units.
std::optional<double> final_perplexity(const RMatrix& r);

/// exp of base_ability_change() of probes in nats: perplexity after over perplexity before, the
/// geometric mean over the probes. Undefined in other units.
std::optional<double> base_perplexity_ratio(const std::vector<ProbeScores>& probes);

/// Mean over the probes of one metric of what the base model lost: the loss after the last task
/// minus before any training (nats), before minus after where higher is better. Positive = forgot.
/// Each probe counts once; within a loss probe tokens count once. TRACE's general ability delta
/// (Wang et al. 2023, arXiv:2310.06762) is minus this.
std::optional<double> base_ability_change(const std::vector<ProbeScores>& probes);

}  // namespace lethe
