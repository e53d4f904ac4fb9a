// Which tasks of text a model of some form of rows can have, and in what they are measured.
#pragma once

#include <string>
#include <vector>

#include "core/text/row_form.h"
#include "core/trial.h"
#include "experiments/streams/text_task.h"

namespace lethe {

/// Throws Error, naming task and model, for a plain text (or ids, or predict = "all") where the
/// model reads sources and targets or classifies, for a task without labels where it classifies,
/// and for a second text where it does not.
void check_form(const TextTaskSpec& task, const ModelRows& rows);

/// The task's metric. Where the model classifies, exact_match, label_accuracy and accuracy all mean
/// accuracy. Throws Error for a metric that is unknown or that task or model can't have.
MetricInfo task_metric(const TextTaskSpec& task, const ModelRows& rows);

/// In what every probe is measured: loss and token_accuracy, or loss and accuracy of classes.
std::vector<MetricInfo> probe_metrics(RowForm form);

/// The labels of all tasks, each once, in order: equal labels are one class.
std::vector<std::string> class_names(const std::vector<TextTaskSpec>& tasks);

}  // namespace lethe
