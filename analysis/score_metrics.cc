// The metrics of scores: which columns a report has and what it says about them.
#include "analysis/metric_table.h"
#include "analysis/metrics.h"

namespace lethe {
namespace {

using Number = std::optional<double>;

// The metric `Of` of R alone.
template <Number (*Of)(const RMatrix&)>
Number of_r(const RMatrix& r, const TrialResult&) {
  return Of(r);
}

template <ForgettingFrom From>
Number forgetting_from(const RMatrix& r, const TrialResult&) {
  return forgetting(r, From);
}

template <Cell ProbeScores::*When>
Number probe_mean(const std::vector<ProbeScores>& probes) {
  std::vector<double> scores;
  for (const auto& probe : probes) {
    if (!(probe.*When)) return std::nullopt;
    scores.push_back(*(probe.*When));
  }
  return mean(scores);
}

std::vector<ScoreMetric> level_metrics() {
  return {
      {{"final_average", "Final average", "score",
        "mean over tasks of the score after the last task",
        "Lopez-Paz & Ranzato 2017, arXiv:1706.08840", true},
       true,
       of_r<final_average>},
      {{"final_perplexity", "Final perplexity", "ratio",
        "exp of the final average loss; only where tasks are measured in loss", "", false},
       false,
       of_r<final_perplexity>},
      {{"average_incremental", "Average incremental", "score",
        "mean over stages k of the mean score on tasks 1..k after stage k",
        "Rebuffi et al. 2017, arXiv:1611.07725", true},
       true,
       of_r<average_incremental>},
      {{"learning_accuracy", "Learning accuracy", "score",
        "mean over tasks of the score right after learning the task",
        "Riemer et al. 2019, arXiv:1810.11910", true},
       true,
       of_r<learning_accuracy>},
      {{"forgetting", "Forgetting", "score",
        "mean over tasks j < T of the best score in stages j..T-1 minus the final one; negative = "
        "gained",
        "after Chaudhry et al. 2018, arXiv:1801.10112, with l >= j", false},
       false,
       forgetting_from<ForgettingFrom::own_task>},
      {{"forgetting_first", "Forgetting (l >= 1)", "score",
        "the same with the best score in stages 1..T-1, also before the task was learned",
        "Chaudhry et al. 2018, arXiv:1801.10112, eq. 3", false},
       false,
       forgetting_from<ForgettingFrom::first_task>},
      {{"forgetting_before_training", "Forgetting (l >= 0)", "score",
        "the same with the best score in stages 0..T-1, for a model that was pretrained",
        "after Chaudhry et al. 2018, arXiv:1801.10112, with row 0", false},
       false,
       forgetting_from<ForgettingFrom::before_training>},
  };
}

std::vector<ScoreMetric> transfer_metrics() {
  return {
      {{"backward_transfer", "Backward transfer", "score",
        "mean over tasks j < T of the final score minus the one right after learning j",
        "Lopez-Paz & Ranzato 2017, arXiv:1706.08840", true},
       false,
       of_r<backward_transfer>},
      {{"forward_transfer_zero_shot", "Forward transfer (zero-shot)", "score",
        "mean over tasks j >= 2 of the score just before learning j minus that before any training",
        "after Lopez-Paz & Ranzato 2017, arXiv:1706.08840, b = row 0", true},
       false,
       of_r<fwt_zero_shot>},
      {{"forward_transfer_random", "Forward transfer (random)", "score",
        "mean over tasks j >= 2 of the score just before learning j minus that of random weights",
        "Lopez-Paz & Ranzato 2017, arXiv:1706.08840", true},
       false,
       of_r<fwt_random>},
      {{"retention", "Retention", "ratio",
        "mean over tasks j < T of the final score over the one right after learning j (inverted "
        "for loss)",
        "the ratio form of backward transfer", true},
       false,
       of_r<retention>},
      {{"stability_gap", "Stability gap", "score",
        "mean depth of the dips inside later tasks, below the scores at both their ends; needs "
        "eval_every",
        "after De Lange et al. 2023, arXiv:2205.13452", false},
       false,
       [](const RMatrix& r, const TrialResult& result) {
         return stability_gap(result, r.metric.name);
       }},
  };
}

}  // namespace

const std::vector<ScoreMetric>& score_metrics() {
  static const std::vector<ScoreMetric> metrics = [] {
    std::vector<ScoreMetric> all = level_metrics();
    for (const ScoreMetric& metric : transfer_metrics()) all.push_back(metric);
    return all;
  }();
  return metrics;
}

const std::vector<ProbeMetric>& probe_metrics() {
  static const std::vector<ProbeMetric> metrics = {
      {{"base_loss_before", "Base loss before", "nats",
        "loss on the rows of the probe before any training", "", false},
       true,
       probe_mean<&ProbeScores::before>},
      {{"base_loss_after", "Base loss after", "nats",
        "loss on the rows of the probe after the last task", "", false},
       true,
       probe_mean<&ProbeScores::after>},
      {{"base_loss_rise", "Base loss rise", "nats",
        "what the model lost of its base ability: the loss after minus before; positive = forgot",
        "minus the ability delta of Wang et al. 2023, arXiv:2310.06762", false},
       false,
       base_ability_change},
      {{"base_loss_perplexity_ratio", "Base perplexity ratio", "ratio",
        "exp of the base loss rise: perplexity after over perplexity before", "", false},
       false,
       base_perplexity_ratio},
  };
  return metrics;
}

}  // namespace lethe
