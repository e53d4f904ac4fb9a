// A trial, what decides it and what it yields. Free of libtorch: the store and the analysis read
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace lethe {

/// A named piece of a trial with all its options (a strategy, a model, a stream).
struct Part {
  std::string name;
  OptionMap options;
  std::string plugin = {};  ///< SHA-256 of the file that a strategy comes from; empty = built in
};

/// Everything that decides a trial's outcome. Data and checkpoints stand in it by content digest.
struct TrialSpec {
  std::vector<Part> method;  ///< strategies in role order; empty = finetune
  Part model;
  Part stream;
  OptionMap training;  ///< the trainer's options
  int64_t seed = 1;
};

/// "lora+ewc", "finetune"; "qlora" for lora on a model with base = nf4, "lora on int8" and the like
/// for other formats than float.
std::string method_label(const TrialSpec& spec);

/// One line a fact ("method.0.ewc.lambda = 100"), sorted, equal for equal trials whatever the order
/// in which their sweep named things.
std::string canonical_text(const TrialSpec& spec);

/// Under what a result is stored: a new build's or another device's result is another row.
struct TrialKey {
  std::string text;          ///< canonical_text
  std::string build;         ///< digest of the sources, libtorch and compiler
  std::string device_class;  ///< "cpu" or "cuda NVIDIA H100 80GB HBM3 sm_90"
};

/// Which names and values a metric goes by.
struct MetricInfo {
  std::string name;  ///< "accuracy", "exact_match", "loss"
  std::string unit;  ///< "fraction", "nats"
  bool higher_is_better = true;
};

/// One score: task `on_task` measured after learning task `after_task`.
struct Evaluation {
  int64_t after_task = 0;    ///< 1-based; 0 = before any training; -1 = random initialisation
  int64_t step = 0;          ///< optimizer steps done in the trial
  bool within_task = false;  ///< an eval_every measurement inside task `after_task`
  int64_t on_task = 0;       ///< 1-based; 0 = a probe of what the base model could do
  std::string task;          ///< the task's or probe's name
  MetricInfo metric;
  int64_t correct = 0;  ///< counts, for metrics that count; else 0
  int64_t total = 0;    ///< rows (counts) or predicted tokens (loss)
  double sum = 0;       ///< correct as a double, or the sum of the loss in nats
  double score() const { return sum / static_cast<double>(total); }
};

/// What the strength of a quadratic penalty multiplies: strengths of two trials are comparable only
/// where all of it is equal.
struct PenaltyForm {
  std::string strategy;    ///< "ewc"
  std::string importance;  ///< "Fisher, exact labels", "path integral, unregularised gradient", ...
  std::string divisor;     ///< of the sum over samples: "n", "n-1"; empty = no such sum
  bool half = false;       ///< whether the formula has a half before the strength
  std::string anchor;      ///< "own of each task" or "latest"
};

struct CurvePoint {
  int64_t task = 0, step = 0;
  double loss = 0, penalty = 0, learning_rate = 0, gradient_norm = 0;
};

/// Bytes of one category in one phase. `peak` is the category's own peak; `at_peak` what it held at
/// the instant of the phase's total peak: those add up to that peak, the peaks do not.
struct Usage {
  std::string phase;     ///< "load", "train", "evaluate"
  std::string category;  ///< "base weights", ..., or "process peak RSS", "CUDA reserved"
  std::string device;    ///< "host" or "cuda"
  int64_t peak = 0, at_peak = 0;
};

struct Timing {
  std::string phase;         ///< "load", "train", "evaluate", "importance", "teacher"
  double wall = 0, cpu = 0;  ///< seconds
  int64_t tokens = 0, samples = 0;
};

struct Sample {
  int64_t after_task = 0, on_task = 0, row = 0;
  std::string prompt, expected, generated;
};

struct Artifact {
  std::string path, sha256;
};

/// Begins the note of a trial that says with which batches, values and levers it was trained.
constexpr const char* kTrainedWith = "trained with ";

/// What a finished trial yields.
struct TrialResult {
  std::vector<Evaluation> evaluations;
  std::vector<CurvePoint> curve;
  std::vector<Usage> usage;
  std::vector<Timing> timing;
  std::vector<Sample> samples;
  std::vector<Artifact> artifacts;
  std::vector<PenaltyForm> penalties;   ///< of the method's strategies that have one
  std::vector<std::string> task_names;  ///< in order
  std::vector<std::string> notes =
      {};  ///< rows left out, cut or shared by splits; kTrainedWith; a penalty that stayed 0
  std::string weights_digest;  ///< SHA-256 of the final trainable values
  int64_t trainable_parameters = 0, total_parameters = 0;
};

/// Where a trial ran.
struct Environment {
  std::string build, libtorch, compiler, device, cpu, cpu_capability, git_commit;
  int64_t threads = 1, jobs = 1;
};

/// A stored trial as the analysis reads it.
struct TrialRecord {
  int64_t id = 0;
  std::string digest;  ///< first characters of the SHA-256 of (text, build, device class)
  TrialKey key;
  std::string method, model, stream, sweep;  ///< labels
  int64_t seed = 0;
  std::string status;  ///< "running", "done", "failed"
  std::string error;
  Environment environment;
  TrialResult result;
};

}  // namespace lethe
